"""What a person looks at: a run's funnel, domains and lengths, as text and figures."""
