"""Messages in the notation of the case tables: `GET / HTTP/1.1|Host: h||`, where `|` is CRLF.

The heads made here are cut by splitting, not by the readers: a test of what is done with a head does not depend on
how it was read.
"""

from collections.abc import Iterator

from proxy.http1.fields import Fields
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.section import section
from proxy.policy.decisions import Decisions


def wire(notation: str) -> bytes:
    """The bytes that the notation stands for. What is not ASCII is Latin-1."""
    return notation.replace("|", "\r\n").encode("latin-1")


def lines(notation: str) -> Fields:
    """Field lines: `A: 1|B: 2` is two."""
    return [
        (name.encode("latin-1"), value.strip(" \t").encode("latin-1"))
        for name, _, value in (line.partition(":") for line in notation.split("|") if line)
    ]


def request(notation: str) -> RequestHead:
    """A request's head."""
    first, _, rest = notation.partition("|")
    method, target, version = first.encode("latin-1").split(b" ")
    return RequestHead(method, target, version.removeprefix(b"HTTP/"), *section(lines(rest)))


def response(notation: str) -> ResponseHead:
    """A response's head."""
    first, _, rest = notation.partition("|")
    version, status, reason = first.encode("latin-1").split(b" ", 2)
    return ResponseHead(int(status), reason, version.removeprefix(b"HTTP/"), *section(lines(rest)))


def shown(fields: Fields) -> str:
    """Field lines in the notation."""
    return "|".join(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in fields)


def recorded(decisions: Decisions) -> list[tuple[str, str]]:
    """What was decided about each line: the line in the notation, and the verdict."""
    return [(shown([decision.line]), decision.outcome.verdict) for decision in decisions]


def bytewise(data: bytes) -> Iterator[bytes]:
    """One byte after another."""
    return (data[position : position + 1] for position in range(len(data)))
