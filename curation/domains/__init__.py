"""The domain of a problem, which selection uses for diversity."""
