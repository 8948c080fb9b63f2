"""The values that travel through the proxy: heads, and how a body is delimited."""

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from proxy.http1.fields import Fields, Index


class RequestHead(NamedTuple):
    """A request's head, as received and found valid.

    `http_version` is `b"1.0"` or `b"1.1"`: a higher minor version is read as 1.1 (RFC 9110 §2.5).
    """

    method: bytes
    target: bytes
    http_version: bytes
    fields: Fields
    index: Index


class ResponseHead(NamedTuple):
    """A response's head, interim or final, as received and found valid."""

    status: int
    reason: bytes
    http_version: bytes
    fields: Fields
    index: Index


@dataclass(frozen=True, slots=True)
class NoBody:
    """The message ends with its head. `described` is the length that a response to HEAD, or a 304, declares."""

    described: int | None = None


@dataclass(frozen=True, slots=True)
class FixedLength:
    """The body is exactly `length` bytes."""

    length: int


@dataclass(frozen=True, slots=True)
class Chunked:
    """The body is delimited by the chunked coding."""


@dataclass(frozen=True, slots=True)
class UntilClose:
    """The body ends with the connection: only in responses."""


BodyFraming: TypeAlias = NoBody | FixedLength | Chunked | UntilClose

# One instance of each kind that carries nothing: most messages need no new object.
NO_BODY: Final = NoBody()
CHUNKED: Final = Chunked()
UNTIL_CLOSE: Final = UntilClose()
