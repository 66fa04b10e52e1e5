"""Training: from traces to a checkpoint that the server loads."""
