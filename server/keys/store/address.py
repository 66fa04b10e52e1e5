"""The value of --quota-store: memory, or the URL of a Redis or Valkey."""

import argparse
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import urlsplit

MEMORY = "memory"
SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
"""What a URL may begin with, and what the client calls it."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """`url` may hold a password: it is never printed."""

    url: str = field(repr=False)
    name: str
    """Without user and password."""


def read_address(text: str) -> StoreAddress | None:
    """The address; None for "memory".

    Raises:
        argparse.ArgumentTypeError: It is no such URL, or the client's package is missing. The message does
            not quote the URL.
    """
    if text == MEMORY:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a URL: {error}") from error
    if parts.scheme not in SCHEMES:
        raise argparse.ArgumentTypeError(f"neither {MEMORY} nor a URL of {', '.join(SCHEMES)}")
    host = parts.hostname or ""
    if not (parts.path if parts.scheme == "unix" else host):
        raise argparse.ArgumentTypeError(f"the URL names no {'path' if parts.scheme == 'unix' else 'host'}")
    is_socket = parts.scheme == "unix"
    if parts.fragment or (parts.query and not (is_socket and re.fullmatch("db=[0-9]+", parts.query))):
        raise argparse.ArgumentTypeError("the URL takes no '?' or '#', but '?db=NUMBER' for a socket")
    if is_socket and host:
        raise argparse.ArgumentTypeError("a socket's URL has three slashes: unix:///PATH")
    if not is_socket and not re.fullmatch(r"/?|/[0-9]+", parts.path):
        raise argparse.ArgumentTypeError("a database is a number: redis://HOST:PORT/DATABASE")
    if find_spec("redis") is None:
        raise argparse.ArgumentTypeError("needs the package redis: pip install 's1-server[redis]'")
    where = host if port is None else f"{host}:{port}"
    url = SCHEMES[parts.scheme] + text[len(parts.scheme) :]
    return StoreAddress(url, f"{parts.scheme}://{where}{parts.path}")
