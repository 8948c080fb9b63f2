"""The trace that an exchange is part of: made as it begins, where tracing is on, and exported as spans at its end.

The context of a trusted peer is continued, recorded only if the peer records it. Of any other client, only the trace id
is taken over, and sampling decides here whether it is recorded: a client that could decide could fill the operator's
storage (W3C Trace Context, "Security Considerations").
"""

import random
from time import monotonic

import msgspec

from proxy.http1.message import RequestHead
from proxy.policy.forwarded import ClientIdentity, trusted_scheme
from proxy.policy.trace_context import SAMPLED, Stated, Traceparent, received


class Trace(msgspec.Struct):
    """The trace of an exchange under way. Ids are hex digits, times monotonic."""

    trace_id: str
    parent_id: str  # the caller's span; "": the trace begins here
    span_id: str  # of the exchange
    flags: int
    attempt_id: str  # of the attempt under way, or the next
    sent_id: str  # the parent id in the request head as it was last written
    scheme: str = "http"  # that the client used
    began_attempts: float = 0.0  # when the first one did
    target: bytes = b""  # as sent to upstreams
    earlier_ids: list[str] = []  # of attempts before the last

    @property
    def is_sampled(self) -> bool:
        """Whether spans are recorded."""
        return bool(self.flags & SAMPLED)

    @property
    def stated(self) -> Stated:
        """The trace context in the request to the upstream."""
        return Stated(Traceparent(self.trace_id, self.sent_id, self.flags).value, not self.parent_id)

    @property
    def stated_beside(self) -> Stated:
        """The trace context in a request to the auth service: it belongs to the exchange, not to an attempt."""
        return Stated(Traceparent(self.trace_id, self.span_id, self.flags).value, not self.parent_id)

    def begin_attempts(self, target: bytes) -> None:
        """The first attempt begins now, with this target."""
        self.began_attempts, self.target = monotonic(), target

    def attempt_failed(self) -> None:
        """Another attempt follows."""
        self.earlier_ids.append(self.attempt_id)
        self.attempt_id = _span_id()

    def restate(self, request: bytes) -> bytes:
        """A request head in which the attempt under way is the parent of what follows."""
        sent, self.sent_id = self.sent_id, self.attempt_id
        return request.replace(sent.encode("ascii"), self.attempt_id.encode("ascii"), 1)


class Sampling:
    """Begins traces, and decides which are recorded."""

    def __init__(self, percent: float) -> None:
        """`percent` of the traces about which no trusted peer has decided."""
        self._share = percent / 100

    def begin(self, head: RequestHead, client: ClientIdentity) -> Trace:
        """The trace of a request."""
        scheme = client.scheme
        caller = received(head.known)
        if client.trusted:
            scheme = trusted_scheme(head.known, head.options) or scheme
            if caller is not None:
                return _trace(caller.trace_id, caller.span_id, caller.flags, scheme)
        flags = SAMPLED if random.random() < self._share else 0  # noqa: S311  # not derived from the id, which a client chooses
        if caller is None:
            return _trace(f"{random.getrandbits(128) or 1:032x}", "", flags, scheme)  # no secret
        return _trace(caller.trace_id, caller.span_id, caller.flags & ~SAMPLED | flags, scheme)


def _trace(trace_id: str, parent_id: str, flags: int, scheme: bytes) -> Trace:
    first = _span_id()
    return Trace(trace_id, parent_id, _span_id(), flags, first, first, scheme.decode("latin-1").lower())


def _span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"  # to find a span by, not to keep secret
