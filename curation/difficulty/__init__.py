"""The difficulty of problems: which models solve them, and how attempts are graded."""
