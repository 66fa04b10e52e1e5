"""Requests to models behind OpenAI-compatible endpoints; replies are cached on disk."""
