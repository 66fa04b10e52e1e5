"""API keys: who may send requests, and the thinking limits of each key."""
