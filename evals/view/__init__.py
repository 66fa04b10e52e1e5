"""Pages to read results by: one HTML file that works from disk."""
