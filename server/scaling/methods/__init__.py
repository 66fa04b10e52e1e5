"""One file a method, and their table."""
