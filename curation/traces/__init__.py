"""A teacher's thinking and answer for each problem: asked for, or read from files."""
