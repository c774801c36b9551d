"""Covering: plans, bounds and trees for `mclp`, `lscp` and `partial_cover`."""
