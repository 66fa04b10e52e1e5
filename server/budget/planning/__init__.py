"""A ThinkingBudget to a Plan: strings to the token ids of one tokenizer."""
