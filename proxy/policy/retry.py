"""When a request may be sent a second time (RFC 9110 §9.2.2, RFC 9112 §9.3.1): the settings and the methods.

`upstream.service.Service.retry` decides for an attempt that has failed, with the budget and the origins at hand.
"""

from typing import Final

import msgspec

IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})  # RFC 9110 §9.2.2

#: Why an attempt has failed. On a connection that was refused, timed out, or failed in its TLS handshake, nothing was
#: sent: every request may go to another origin.
CONNECT_FAILURE: Final = "connect_failure"
RESET: Final = "reset"  # the connection ended before the response's head was complete
RESPONSE_TIMEOUT: Final = "response_timeout"
#: Not a failed attempt, but the same one again: its idle connection had been closed by the upstream.
CLOSED_IDLE: Final = "closed_idle"
STATUSES: Final = {"502": 502, "503": 503, "504": 504}


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which failed attempts are followed by another."""

    attempts: int = 2  # of one request in all
    on: frozenset[str] = frozenset({CONNECT_FAILURE})
    repeatable: frozenset[bytes] = IDEMPOTENT  # methods that may reach the service twice
    budget_percent: float = 20.0

    @property
    def statuses(self) -> frozenset[int]:
        """The response statuses that are followed by another attempt."""
        return frozenset(STATUSES[name] for name in self.on if name in STATUSES)


def is_stale_reuse(*, reused: bool, response_began: bool, repeatable: bool) -> bool:
    """Whether the end of a connection may be the race with an upstream that closed an idle one, and to send the request
    again is harmless.

    On a fresh connection the failure is the upstream's own; after a response byte the request was acted on.
    """
    return reused and not response_began and repeatable
