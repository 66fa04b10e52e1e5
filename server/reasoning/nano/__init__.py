"""The problems of s1-nano, one file per domain, and the teacher that writes traces for them.

The public names are those of `server.reasoning.nano.problems`.
"""
