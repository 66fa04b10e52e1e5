"""A Plan and the tokens that came, to actions, state and report."""
