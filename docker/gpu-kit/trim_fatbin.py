"""Leave one GPU architecture in a CUDA shared object.

Every fat binary in .nv_fatbin keeps only its entries of that architecture, moved up after its header, and the
rest is zeroed (it compresses to nothing).

A fat binary with machine code of none keeps its newest PTX of no newer architecture (the driver compiles it
at first use). With neither it is of no use on that card: it gets the body of the smallest one that is, so
that it stays well formed; its kernels are then not found when they are launched, and only then.

    trim_fatbin.py IN OUT [--arch 90] [--keep REGEX]

--keep: a fat binary whose machine code names no kernel that matches REGEX (searched in its bytes: of use
where the entries are not compressed, as in FlashAttention 3) is of no use either.
"""

import argparse
import re
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

WRAPPER = 0xBA55ED50
PTX, ELF = 1, 2


def section(image: bytes, name: str) -> tuple[int, int]:
    """Return offset and size of an ELF section.

    Raises:
        SystemExit: there is none of this name.
    """
    (table,) = struct.unpack_from("<Q", image, 0x28)
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", image, table + i * size) for i in range(count)]
    strings = headers[names][4]
    for header in headers:
        at = strings + header[0]
        if image[at : image.index(b"\0", at)].decode() == name:
            return header[4], header[5]
    raise SystemExit(f"no section {name}")


Entry = tuple[int, int, bytes]
"""Kind, architecture, and all its bytes."""


def fatbins(image: bytearray) -> Iterator[tuple[int, int, list[Entry]]]:
    """Where the body of each begins and ends, and what is in it."""
    offset, size = section(image, ".nv_fatbin")
    at, end = offset, offset + size
    while at <= end - 16:
        magic, _, header, body = struct.unpack_from("<IHHQ", image, at)
        if magic != WRAPPER:
            at += 8
            continue
        assert header == 16, "the size of the body does not stand right before it"
        entries = []
        here, stop = at + header, at + header + body
        while here < stop:
            kind, _, entry_header, payload = struct.unpack_from("<HHIQ", image, here)
            (sm,) = struct.unpack_from("<I", image, here + 28)
            entries.append((kind, sm, bytes(image[here : here + entry_header + payload])))
            here += entry_header + payload
        assert here == stop, "entries do not fill their fat binary"
        yield at + header, stop, entries
        at = stop


def chosen(entries: list[Entry], arch: int) -> tuple[str, bytes]:
    """Return how the new body came about (native, ptx, none), and the body."""
    native = [each for kind, sm, each in entries if kind == ELF and sm == arch]
    if native:
        return "native", b"".join(native)
    older = [(sm, each) for kind, sm, each in entries if kind == PTX and sm <= arch]
    if older:
        return "ptx", max(older)[1]
    return "none", min((each for _, _, each in entries), key=len)


def trim(image: bytearray, arch: int, keep: re.Pattern[bytes] | None) -> Counter[str]:
    """Trim all fat binaries in place; return how many became what."""
    told: Counter[str] = Counter()
    found = [(start, stop, *chosen(entries, arch)) for start, stop, entries in fatbins(image)]
    stand_in = min(
        (body for _, _, how, body in found if how == "native" and (keep is None or keep.search(body))),
        key=len,
    )
    for start, stop, how, body in found:
        if keep is not None and not keep.search(body):
            how = "dropped"
        if how in ("none", "dropped") and len(stand_in) <= stop - start:
            body = stand_in
        told[how] += 1
        image[start:stop] = body + bytes(stop - start - len(body))
        struct.pack_into("<Q", image, start - 8, len(body))
    return told


def main() -> None:
    """Trim the file that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arch", type=int, default=90)
    parser.add_argument("--keep", type=lambda it: re.compile(it.encode()))
    given = parser.parse_args()
    image = bytearray(given.source.read_bytes())
    told = trim(image, given.arch, given.keep)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(image)
    given.out.chmod(0o755)
    print(given.out.name, dict(told))


if __name__ == "__main__":
    main()
