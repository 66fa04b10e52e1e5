"""Rules that drop unusable questions and traces, however hard the problem is."""
