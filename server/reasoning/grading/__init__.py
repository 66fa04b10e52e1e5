"""Whether two mathematical expressions are equal: math-verify, run in processes that can be killed."""
