"""HTTP fields to a ThinkingBudget. No token ids."""
