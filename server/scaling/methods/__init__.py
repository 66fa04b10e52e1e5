"""The scaling methods, one file each, and their table."""
