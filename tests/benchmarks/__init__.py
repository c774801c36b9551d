"""Benchmarks of reach against public peers; run by hand: see `reach_bench.py`."""
