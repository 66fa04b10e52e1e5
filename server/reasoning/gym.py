"""Tasks of the reasoning-gym library that cannot be used, and why, as of the version that was checked."""

CHECKED = "0.1.25"

UNSOUND_PROBLEMS = {
    "codeio": "its seed does not fix its problems",
    "isomorphic_strings": "its problems depend on PYTHONHASHSEED",
    "intermediate_integration": "its problems depend on PYTHONHASHSEED",
    "list_functions": "its problems depend on PYTHONHASHSEED",
    "knight_swap": "its problems depend on PYTHONHASHSEED",
    "polynomial_multiplication": "its problems depend on PYTHONHASHSEED",
    "ransom_note": "its problems depend on PYTHONHASHSEED",
    "word_ladder": "its problems depend on PYTHONHASHSEED",
    "boxnet": "it stores no answer",
    "graph_color": "it stores no answer",
    "propositional_logic": "it stores no answer",
    "rubiks_cube": "it stores no answer",
    "rush_hour": "it stores no answer",
    "composite": "it is a mixture of other tasks",
}
"""Tasks whose problems cannot be reproduced from a seed, or have no reference answer."""

UNSOUND_VERIFIERS = {
    "game_of_life_halting": "its verifier accepts any text",
    "puzzle24": "its verifier accepts any four numbers that make 24 to 25, not those of the problem alone",
    "coin_flip": "its verifier accepts 0 for most probabilities",
    "prime_factorization": "its verifier raises on an answer that is no product",
}
"""Tasks whose problems are sound, but whose verifier in the library is not."""

UNSOUND_COMPARISON = {
    "puzzle24": "its reference is one expression of many, and equal to every other one",
}
"""Tasks whose problems are sound, but whose answers cannot be graded by comparing them with the reference."""


def why_not(name: str, *tables: dict[str, str]) -> str:
    """Why a task is refused, with the version of the library; empty if it is not."""
    found = next((table[name] for table in tables if name in table), "")
    return f"{found} (reasoning-gym {CHECKED})" if found else ""
