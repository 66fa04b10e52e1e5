"""Benchmarks of training: each a module to start with `python -m`, none of them a test."""
