"""What the server leans on of vLLM's private parts, asserted at start: an attribute that a release renamed
ends the start with its name, where it would otherwise be noticed in the middle of a request, or not at all.
"""


class SeamError(RuntimeError):
    """This release of vLLM is not as the server needs it."""


def require(owner: object, *names: str) -> None:
    """Raises SeamError unless the object, or class, has all of these attributes."""
    if missing := [name for name in names if not hasattr(owner, name)]:
        what = owner.__name__ if isinstance(owner, type) else type(owner).__name__
        raise SeamError(f"this release of vLLM has no {', '.join(f'{what}.{name}' for name in missing)}")
