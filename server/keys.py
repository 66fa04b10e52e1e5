"""API keys: who may ask. Only their digests are kept; a key is never logged, printed or compared in clear."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Key:
    """One client's key. `name` is what reports and messages say of it."""

    name: str
    digest: bytes = field(repr=False)


def digest_of(secret: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode()).digest()


def find_key(keys: Iterable[Key], secret: str) -> Key | None:
    """The key that was presented, in a time that says nothing of which keys there are."""
    digest, found = digest_of(secret), None
    for key in keys:
        if secrets.compare_digest(digest, key.digest):
            found = key
    return found


def engine_keys(flag: list[str] | None, variable: str | None) -> tuple[Key, ...]:
    """vLLM's own: --api-key, or else VLLM_API_KEY."""
    given = [secret for secret in flag or [] if secret]
    if not given and variable:
        return (Key("VLLM_API_KEY", digest_of(variable)),)
    return tuple(Key(f"--api-key {at}", digest_of(secret)) for at, secret in enumerate(given, 1))
