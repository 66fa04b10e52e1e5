"""Benchmarks of what runs inside the engine: each a module to start with `python -m`, none of them a test."""
