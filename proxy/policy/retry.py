"""When a request may be sent a second time (RFC 9110 §9.2.2, RFC 9112 §9.3.1)."""

from typing import Final

IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})  # RFC 9110 §9.2.2


def may_replay(method: bytes, *, body_replayable: bool) -> bool:
    """Whether sending this request again is harmless even if the service acted on it the first time."""
    return method in IDEMPOTENT and body_replayable


def may_retry(method: bytes, *, reused: bool, response_began: bool, body_replayable: bool) -> bool:
    """Whether a failure may be the race with an upstream that closed an idle connection, and a retry is harmless.

    On a fresh connection the failure is the upstream's own; after a response byte the request was acted on.
    """
    return reused and not response_began and may_replay(method, body_replayable=body_replayable)
