"""One client's API key.

Only its SHA-256 digest is kept: a key is never logged, printed or compared in clear.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from server.keys.meter import Quota


@dataclass(frozen=True, slots=True)
class Key:
    """One client's key. `name` identifies it in logs, metrics and error messages."""

    name: str
    digest: bytes = field(repr=False)
    max_thinking_tokens: int | None = None
    """Maximum thinking tokens per request; None: no limit."""
    quota: Quota | None = None
    """Thinking tokens per time window, over all requests of the key; None: no limit."""

    is_admin: bool = False
    """Whether it may exchange the model's weights."""

    @property
    def is_limited(self) -> bool:
        """Whether thinking must be counted or capped for requests with this key."""
        return self.max_thinking_tokens is not None or self.quota is not None


def digest_of(secret: str) -> bytes:
    """The SHA-256 digest (32 bytes) that is stored in place of the key."""
    return hashlib.sha256(secret.encode()).digest()


def find_key(keys: Iterable[Key], secret: str) -> Key | None:
    """The key with this secret, or None. The time taken does not depend on which keys exist."""
    digest, found = digest_of(secret), None
    for key in keys:
        if secrets.compare_digest(digest, key.digest):
            found = key
    return found


def engine_keys(flag: Sequence[str] | None, variable: str | None) -> tuple[Key, ...]:
    """vLLM's own keys: those of --api-key, or else that of VLLM_API_KEY. They have no limits."""
    given = [secret for secret in flag or () if secret]
    if not given and variable:
        return (Key("VLLM_API_KEY", digest_of(variable)),)
    return tuple(Key(f"--api-key {at}", digest_of(secret)) for at, secret in enumerate(given, 1))


def all_keys(of_file: Sequence[Key], flag: Sequence[str] | None, variable: str | None) -> tuple[Key, ...]:
    """The keys of the file and vLLM's own keys together.

    Raises:
        ValueError: The same secret appears twice.
    """
    keys = (*of_file, *engine_keys(flag, variable))
    refuse_twins(keys)
    return keys


def refuse_twins(keys: Iterable[Key]) -> None:
    """Check that no secret appears under two names.

    Raises:
        ValueError: Two keys have the same secret; the message names both.
    """
    names: dict[bytes, str] = {}
    for key in keys:
        if (other := names.setdefault(key.digest, key.name)) != key.name:
            raise ValueError(f"{other} and {key.name} are the same key")
