"""Exports: a plan folder in, files for map providers out; every one names its datum and origin."""
