"""The machinery of a run: stages, ledger, manifest, resuming, Ray."""
