"""What server, training, curation and evals share; standard library only."""
