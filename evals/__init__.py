"""Evals: measure test-time scaling with a grid of thinking budgets at an OpenAI-compatible endpoint."""
