"""A miniature of the paper's Table 2: one base, several sets, equal steps, scored by the real server."""
