"""Runs once, before there is an engine: flags, the model's family, engines tied to this process."""
