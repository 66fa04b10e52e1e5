"""Runs in the engine's worker process: batch rows, the sampler, the worker extension."""
