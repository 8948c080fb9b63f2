"""The values that travel through the proxy: heads, what is read from them, and how a body is delimited.

Plain classes, of which several are made per message: compiled, reading an attribute of a Struct or a dataclass costs as
much as ten of theirs.
"""

from typing import Final, TypeAlias

from proxy.http1.fields import Arrived, Fields, Index
from proxy.http1.section import SharedSection


class Value:
    """Equal, hashed and shown by its attributes, which do not change."""

    __slots__ = ()

    def content(self) -> tuple[object, ...]:
        """The attributes, in the order in which they are given to the class."""
        return ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Value) and self.content() == other.content()

    def __hash__(self) -> int:
        return hash(self.content())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.content()))})"


class RequestHead(Value):
    """A request's head, as received and found valid.

    `http_version` is `b"1.0"` or `b"1.1"`: a higher minor version is read as 1.1 (RFC 9110 §2.5). `known` indexes the
    fields that this proxy understands, `options` are the words of `Connection`, in lower case. `arrived` says more of
    the lines, where it was noted.
    """

    __slots__ = ("arrived", "fields", "http_version", "known", "method", "options", "target")

    def __init__(
        self, method: bytes, target: bytes, http_version: bytes, fields: Fields, known: Index,
        options: frozenset[bytes], arrived: Arrived | None = None,
    ) -> None:  # fmt: skip
        self.method: Final = method
        self.target: Final = target
        self.http_version: Final = http_version
        self.fields: Final = fields
        self.known: Final = known
        self.options: Final = options
        self.arrived = arrived  # until the lines that go on are written: else a long exchange would keep them twice

    def content(self) -> tuple[object, ...]:
        return self.method, self.target, self.http_version, self.fields, self.known, self.options


class ResponseHead(Value):
    """A response's head, interim or final, as received and found valid. `shared` is its section where other responses
    have the same one; `arrived` says more of the lines, where it was noted."""

    __slots__ = ("arrived", "fields", "http_version", "known", "options", "reason", "shared", "status")

    def __init__(
        self, status: int, reason: bytes, http_version: bytes, fields: Fields, known: Index, options: frozenset[bytes],
        shared: SharedSection | None = None, arrived: Arrived | None = None,
    ) -> None:  # fmt: skip
        self.status: Final = status
        self.reason: Final = reason
        self.http_version: Final = http_version
        self.fields: Final = fields
        self.known: Final = known
        self.options: Final = options
        self.shared: Final = shared
        self.arrived = arrived  # until the lines that go on are written: else a long exchange would keep them twice

    def content(self) -> tuple[object, ...]:
        return self.status, self.reason, self.http_version, self.fields, self.known, self.options


class RequestTarget(Value):
    """Where a request wants to go. `origin_form` is what the upstream is sent; `authority` is `b""` if none came.

    Both keep the client's bytes: no decoding, no dot-segment removal. `secured`: the target itself said https.
    """

    __slots__ = ("authority", "origin_form", "secured")

    def __init__(self, origin_form: bytes, authority: bytes, secured: bool = False) -> None:
        self.origin_form: Final = origin_form
        self.authority: Final = authority
        self.secured: Final = secured

    def content(self) -> tuple[object, ...]:
        return self.origin_form, self.authority, self.secured


class KeepAlive(Value):
    """What a `Keep-Alive` field promises: seconds it stays open idle, and further requests; None: it does not say."""

    __slots__ = ("max_requests", "timeout_s")

    def __init__(self, timeout_s: int | None = None, max_requests: int | None = None) -> None:
        self.timeout_s: Final = timeout_s
        self.max_requests: Final = max_requests

    def content(self) -> tuple[object, ...]:
        return self.timeout_s, self.max_requests


class NoBody(Value):
    """The message ends with its head. `described` is the length that a response to HEAD, or a 304, declares."""

    __slots__ = ("described",)

    def __init__(self, described: int | None = None) -> None:
        self.described: Final = described

    def content(self) -> tuple[object, ...]:
        return (self.described,)


class FixedLength(Value):
    """The body is exactly `length` bytes."""

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length: Final = length

    def content(self) -> tuple[object, ...]:
        return (self.length,)


class Chunked(Value):
    """The body is delimited by the chunked coding."""

    __slots__ = ()


class UntilClose(Value):
    """The body ends with the connection. Only responses have such."""

    __slots__ = ()


BodyFraming: TypeAlias = NoBody | FixedLength | Chunked | UntilClose

# One instance of each kind that carries nothing: most messages need no new object.
NO_BODY: Final = NoBody()
CHUNKED: Final = Chunked()
UNTIL_CLOSE: Final = UntilClose()
