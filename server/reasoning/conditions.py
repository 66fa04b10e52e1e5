"""What a prompt says of how much to think, behind the question and a blank line, word for word as in s1's
eval (PROMPTTOKEN, PROMPTSTEP, PROMPTSHORT, PROMPTLONG).
"""


def token_words(tokens: int) -> str:
    """Token-conditional control."""
    return f"Think for up to {tokens} tokens."


def step_words(steps: int) -> str:
    """Step-conditional control."""
    return f"Think for up to {steps} steps."


CLASS_WORDS = {
    "short": "Answer after a short amount of thinking. "
    "Do not spend excessive time double-checking your work.",
    "long": "Answer after a long amount of thinking. "
    "If you feel like you are finished early, spend the extra time trying to double-check your work "
    "until you are absolutely sure that you have the correct answer.",
}
"""Class-conditional control."""
