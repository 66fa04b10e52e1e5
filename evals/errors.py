"""The error that ends a run with one line on the terminal instead of a traceback."""


class EvalError(Exception):
    """Invalid input, or an endpoint that cannot be measured; `str()` is the line the user reads."""
