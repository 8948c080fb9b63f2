"""Heads and chunks as bytes. What is written was validated when it was read, or is our own: it is never re-parsed."""

from collections.abc import Iterable
from typing import Final

from proxy.http1.fields import Fields
from proxy.http1.section import Lines, Outgoing, wire

LAST_CHUNK: Final = b"0\r\n\r\n"


def request_head(method: bytes, target: bytes, lines: Fields, kept: Lines | None = None) -> bytes:
    """A request head. We always speak HTTP/1.1 upstream (RFC 9110 §6.2: a proxy sends its own version). `kept` are
    lines of it whose bytes are known: those behind the first."""
    if kept is None:
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, wire(lines))
    first = lines[0]
    stated = wire(lines[len(kept.fields) + 1 :])
    return b"%b %b HTTP/1.1\r\n%b: %b\r\n%b%b\r\n" % (method, target, first[0], first[1], kept.wire, stated)


def response_head(status: int, reason: bytes, fields: Outgoing) -> bytes:
    """A response head. The version is ours, 1.1, also to a 1.0 client (RFC 9110 §6.2)."""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, fields.wire)


def chunks(pieces: Iterable[bytes]) -> list[bytes]:
    """Each piece as one chunk, as buffers to be written in order: the pieces themselves are not copied."""
    return [part for piece in pieces if piece for part in (b"%x\r\n" % len(piece), piece, b"\r\n")]


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked body, with its trailer section."""
    return b"\r\n".join([b"0", *map(b": ".join, trailers), b"", b""]) if trailers else LAST_CHUNK
