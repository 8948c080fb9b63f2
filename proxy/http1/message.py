"""The values that travel through the proxy: heads, what is read from them, and how a body is delimited.

Structs, because one of each is made per message: they cost a third of a frozen dataclass. mypyc does not compile them.
"""

from typing import Final, TypeAlias

import msgspec

from proxy.http1.fields import Fields, Index


class RequestHead(msgspec.Struct, frozen=True):
    """A request's head, as received and found valid.

    `http_version` is `b"1.0"` or `b"1.1"`: a higher minor version is read as 1.1 (RFC 9110 §2.5). `known` indexes the
    fields that this proxy understands, `options` are the words of `Connection`, in lower case.
    """

    method: bytes
    target: bytes
    http_version: bytes
    fields: Fields
    known: Index
    options: frozenset[bytes]


class ResponseHead(msgspec.Struct, frozen=True):
    """A response's head, interim or final, as received and found valid."""

    status: int
    reason: bytes
    http_version: bytes
    fields: Fields
    known: Index
    options: frozenset[bytes]


class RequestTarget(msgspec.Struct, frozen=True):
    """Where a request wants to go. `origin_form` is what the upstream is sent; `authority` is `b""` if none came.

    Both keep the client's bytes: no decoding, no dot-segment removal. `secured`: the target itself said https.
    """

    origin_form: bytes
    authority: bytes
    secured: bool = False


class KeepAlive(msgspec.Struct, frozen=True):
    """What a `Keep-Alive` field promises: seconds it stays open idle, and further requests; None: it does not say."""

    timeout_s: int | None = None
    max_requests: int | None = None


class NoBody(msgspec.Struct, frozen=True):
    """The message ends with its head. `described` is the length that a response to HEAD, or a 304, declares."""

    described: int | None = None


class FixedLength(msgspec.Struct, frozen=True):
    """The body is exactly `length` bytes."""

    length: int


class Chunked(msgspec.Struct, frozen=True):
    """The body is delimited by the chunked coding."""


class UntilClose(msgspec.Struct, frozen=True):
    """The body ends with the connection. Only responses have such."""


BodyFraming: TypeAlias = NoBody | FixedLength | Chunked | UntilClose

# One instance of each kind that carries nothing: most messages need no new object.
NO_BODY: Final = NoBody()
CHUNKED: Final = Chunked()
UNTIL_CLOSE: Final = UntilClose()
