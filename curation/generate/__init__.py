"""Generated pools, so that a whole run works without a network."""
