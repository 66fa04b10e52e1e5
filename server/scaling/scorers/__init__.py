"""Scorers rate a sample or a step of thinking: configured endpoints, or the model's own likelihood."""
