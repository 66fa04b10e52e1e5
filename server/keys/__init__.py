"""API keys: who may ask, and how much each may let the model think."""
