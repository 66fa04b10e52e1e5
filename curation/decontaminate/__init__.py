"""Drops questions that also occur in an eval, and questions that occur in the pool twice."""
