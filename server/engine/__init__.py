"""The engine: vLLM's AsyncLLM with a thinking budget on every request. Only server.api imports vLLM too."""
