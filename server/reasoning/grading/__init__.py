"""Are two mathematical expressions equal? Asked of math-verify, in processes that can be killed."""
