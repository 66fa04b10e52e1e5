"""The key file: TOML with one table per key, read once at startup."""

import argparse
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from server.budget.budget import BudgetError
from server.budget.parsing.values import integer, tokens
from server.keys.key import Key, digest_of, refuse_twins
from server.keys.meter import Quota

LONGEST_WINDOW_S = 366 * 24 * 3600
FIELDS = ("key", "sha256", "max_thinking_tokens", "quota_tokens", "quota_window_s", "admin")
_quota_tokens, _window_s = integer(1, 1 << 53), integer(1, LONGEST_WINDOW_S)
_NAME = re.compile(r"[\w.@+-][\w .@+-]{0,63}")
_SECRET = re.compile(r"[!-~]+")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def read_keys(path: str) -> tuple[Key, ...]:
    """Read the keys from a TOML file with one table per key.

    Raises:
        argparse.ArgumentTypeError: The file cannot be read, is invalid or holds no key; the message names the
            file, table and field.
    """
    try:
        tables = tomllib.loads(Path(path).read_text())
        keys = tuple(_read_key(name, table) for name, table in tables.items())
        refuse_twins(keys)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from error
    if not keys:
        raise argparse.ArgumentTypeError(f"{path}: it holds no key")
    return keys


def _read_key(name: str, table: object) -> Key:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"[{name!r}] is not a valid name of a key: letters, digits, spaces and . _ @ + - only"
        )
    try:
        if not isinstance(table, Mapping):
            raise ValueError("is outside a table: put it under a [name]")
        for each in table:
            if each not in FIELDS:
                raise ValueError(f"{each} is none of {', '.join(FIELDS)}")
        ceiling = table.get("max_thinking_tokens")
        return Key(
            name,
            _digest(table),
            None if ceiling is None else tokens("max_thinking_tokens", ceiling),
            _quota(table),
            _is_admin(table),
        )
    except (ValueError, BudgetError) as error:
        raise ValueError(f"[{name}] {error}") from error


def _is_admin(table: Mapping[str, object]) -> bool:
    value = table.get("admin", False)
    if not isinstance(value, bool):
        raise ValueError("admin must be true or false")
    return value


def _digest(table: Mapping[str, object]) -> bytes:
    secret, digest = table.get("key"), table.get("sha256")
    if (secret is None) is (digest is None):
        raise ValueError("needs either key or sha256")
    if secret is not None:
        # The value is a secret: the error message must not quote it.
        if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
            raise ValueError("key must be a string of printable ASCII characters without spaces")
        return digest_of(secret)
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError("sha256 must be a string of 64 hexadecimal digits")
    return bytes.fromhex(digest)


def _quota(table: Mapping[str, object]) -> Quota | None:
    amount, window = table.get("quota_tokens"), table.get("quota_window_s")
    if amount is None and window is None:
        return None
    if amount is None or window is None:
        raise ValueError("quota_tokens and quota_window_s go together")
    return Quota(_quota_tokens("quota_tokens", amount), _window_s("quota_window_s", window))
