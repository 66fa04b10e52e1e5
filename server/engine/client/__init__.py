"""Runs in the API process, between vLLM's routes and the engine: one generate call and its choices."""
