"""The problems of s1-nano, a file a domain, and their teacher.

What others may use is named in `server.reasoning.nano.problems`.
"""
