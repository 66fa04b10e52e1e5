"""One client's key. Only its digest is kept: a key is never logged, printed or compared in clear."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from server.keys.meter import Quota


@dataclass(frozen=True, slots=True)
class Key:
    """One client's key. `name` is what messages say of it."""

    name: str
    digest: bytes = field(repr=False)
    max_thinking_tokens: int | None = None
    """No request of its thinks for more."""
    quota: Quota | None = None
    """All its requests together think for no more."""

    @property
    def is_limited(self) -> bool:
        """Whether thinking must be counted, or cut, for it."""
        return self.max_thinking_tokens is not None or self.quota is not None


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


def engine_keys(flag: Sequence[str] | None, variable: str | None) -> tuple[Key, ...]:
    """vLLM's own: --api-key, or else VLLM_API_KEY. They have no limits."""
    given = [secret for secret in flag or () if secret]
    if not given and variable:
        return (Key("VLLM_API_KEY", digest_of(variable)),)
    return tuple(Key(f"--api-key {at}", digest_of(secret)) for at, secret in enumerate(given, 1))


def all_keys(of_file: Sequence[Key], flag: Sequence[str] | None, variable: str | None) -> tuple[Key, ...]:
    """Those of the file and vLLM's own, side by side. Raises ValueError where one stands in both."""
    keys = (*of_file, *engine_keys(flag, variable))
    refuse_twins(keys)
    return keys


def refuse_twins(keys: Iterable[Key]) -> None:
    """Raises ValueError where one secret has two names."""
    names: dict[bytes, str] = {}
    for key in keys:
        if (twin := names.setdefault(key.digest, key.name)) != key.name:
            raise ValueError(f"{twin} and {key.name} are the same key")
