"""Benchmarks against public peers, run by hand: `reach_bench.py` and `locate_bench.py`."""
