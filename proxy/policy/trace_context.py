"""W3C Trace Context: which trace a request belongs to, and what the next hop is sent about it.

Where tracing is off, nothing of this is used, and both fields pass unchanged.
"""

import re
from typing import Final

import msgspec

from proxy.http1.fields import Index

SAMPLED: Final = 0x01  # W3C Trace Context §3.2.2.5.1
_RANDOM: Final = 0x02  # of Level 2: the trace id is random. It is forwarded; unknown flags are not
#: §3.2.2: no id is all zeros, ff is no version, and one that is later than 00 may go on behind a dash.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)


class Traceparent(msgspec.Struct, frozen=True):
    """A trace and a span of it, by ids in hex digits."""

    trace_id: str
    span_id: str
    flags: int

    @property
    def value(self) -> bytes:
        """The value of the field, in version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}".encode("ascii")


class Stated(msgspec.Struct, frozen=True):
    """What the next hop is sent. A new trace has no `tracestate`: that belongs to its `traceparent` (§3.3)."""

    traceparent: bytes
    is_new: bool


def received(known: Index) -> Traceparent | None:
    """The `traceparent` of a request; None where it has none, more than one, or an invalid one (§3.2.1)."""
    values = known.get(b"traceparent")
    if values is None or len(values) != 1:
        return None
    found = _TRACEPARENT.fullmatch(values[0])
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    return Traceparent(found[2].decode("ascii"), found[3].decode("ascii"), int(found[4], 16) & (SAMPLED | _RANDOM))
