"""Shared quotas at a size that no test machine has: `python -m server.keys.simulation`."""
