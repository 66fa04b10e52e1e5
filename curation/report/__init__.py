"""The report on a run: its funnel, domains and lengths, as text and figures."""
