"""Benchmarks that need nothing but commands and HTTP."""
