"""Times and sizes as people write them: "1m30s", "64k", "10 MiB". A key's name says which it is."""

import re
from enum import Enum
from typing import Final

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_TIME_PART: Final = re.compile(rf"({_NUMBER})\s*(ms|min|m|sec|s|h|d)\s*", re.ASCII)
_SIZE: Final = re.compile(rf"({_NUMBER})\s*([kmgt]?)i?b?", re.ASCII | re.IGNORECASE)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
#: "64k", "64kB" and "64 KiB" are one size, as with nginx, HAProxy and Docker.
_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Unit(Enum):
    """What a key counts, with the text that describes it to editors."""

    SECONDS = "In seconds"
    BYTES = "In bytes"


#: What is expected of a value, for messages.
EXPECTED: Final = {
    Unit.SECONDS: 'expected a time: a number of seconds, or a text such as "10s" or "1m30s"',
    Unit.BYTES: 'expected a size: a number of bytes, or a text such as "64k" or "10 MiB"',
}
#: Patterns for editors; `seconds` and `size` decide.
PATTERNS: Final = {
    Unit.SECONDS: rf"^({_NUMBER} *(ms|min|m|sec|s|h|d) *)+$",
    Unit.BYTES: rf"^{_NUMBER} *[kKmMgGtT]?[iI]?[bB]?$",
}


def unit_of(name: str) -> Unit | None:
    """What the key called `name` counts; None where its name says nothing."""
    if name.endswith(("_bytes", "_bytes_per_s")):
        return Unit.BYTES
    return Unit.SECONDS if name.endswith("_s") and not name.endswith("_per_s") else None


def seconds(text: str) -> float:
    """A time in seconds. Raises ValueError."""
    total, end = 0.0, 0
    text = text.strip()
    while part := _TIME_PART.match(text, end):
        total, end = total + float(part[1]) * _SECONDS[part[2]], part.end()
    if not text or end < len(text):
        raise ValueError(EXPECTED[Unit.SECONDS])
    return total


def size(text: str) -> int:
    """A size in bytes. Raises ValueError, too, where it is no whole number of bytes."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(EXPECTED[Unit.BYTES])
    count = float(found[1]) * _BYTES[found[2].lower()]
    if not count.is_integer():
        raise ValueError("expected a whole number of bytes")
    return int(count)
