"""The machinery of any run: stages, ledger, manifest, resuming, Ray."""
