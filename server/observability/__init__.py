"""What an operator sees of the server: one record of each ended choice, its metrics, its line in the log."""
