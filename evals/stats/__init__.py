"""Statistics of test-time scaling: the paper's three measures, and confidence intervals."""
