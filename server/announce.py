"""What the server says of itself at start, one line a name."""

PROGRAM = "s1-serve"


def announce(**lines: str) -> None:
    """Print the lines; a name stands for its line."""
    for name, value in lines.items():
        print(f"{PROGRAM}: {name:8} {value}", flush=True)
