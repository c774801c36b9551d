"""Refuses files that are small on disk and burst when opened, before they are read."""
