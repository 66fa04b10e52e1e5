"""Curation: select about a thousand training examples from a pool; each dropped row keeps its reason."""
