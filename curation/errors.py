"""The error that ends a run with one line on the terminal instead of a traceback."""


class CurationError(Exception):
    """Invalid input, a folder in use, an endpoint that is down; `str()` is the line the user reads."""
