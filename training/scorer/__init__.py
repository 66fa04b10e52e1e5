"""A reward model for s1-nano: trained on s1-nano's own right and wrong traces, served by vLLM's pooling."""
