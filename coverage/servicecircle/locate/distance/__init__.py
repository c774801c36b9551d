"""Distances: `p_median` and `p_center`."""
