"""What the server leans on of vLLM's private parts, asserted at start.

An attribute that a release renamed ends the start with its name, where it would otherwise be noticed in the
middle of a request, or not at all.
"""


class SeamError(RuntimeError):
    """This release of vLLM is not as the server needs it."""


def require(owner: object, *names: str) -> None:
    """Check that an object, or class, has these attributes.

    Raises:
        SeamError: It has not; it names those that are missing.
    """
    if missing := [name for name in names if not hasattr(owner, name)]:
        what = owner.__name__ if isinstance(owner, type) else type(owner).__name__
        raise SeamError(f"this release of vLLM has no {', '.join(f'{what}.{name}' for name in missing)}")
