"""Prompt texts that ask for an amount of thinking, appended to the question after a blank line.

They are word for word those of s1's eval (PROMPTTOKEN, PROMPTSTEP, PROMPTSHORT, PROMPTLONG).
"""

TOKEN_WORDS = "Think for up to {tokens} tokens."


def token_words(tokens: int) -> str:
    """The text of token-conditional control."""
    return TOKEN_WORDS.format(tokens=tokens)


def step_words(steps: int) -> str:
    """The text of step-conditional control."""
    return f"Think for up to {steps} steps."


CLASS_WORDS = {
    "short": "Answer after a short amount of thinking. "
    "Do not spend excessive time double-checking your work.",
    "long": "Answer after a long amount of thinking. "
    "If you feel like you are finished early, spend the extra time trying to double-check your work "
    "until you are absolutely sure that you have the correct answer.",
}
"""The texts of class-conditional control."""
