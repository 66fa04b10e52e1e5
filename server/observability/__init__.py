"""What an operator sees of the server: one record per ended choice, its metrics, its line in the log."""
