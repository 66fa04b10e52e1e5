"""The HTTP edge: vLLM's own routes.

The budget is read from a request before the route runs, and the report is added to the response after it.
"""
