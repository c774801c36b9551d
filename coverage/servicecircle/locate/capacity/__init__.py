"""Covering by stations that serve no more than their capacity."""
