"""The record of one exchange, from which the access log, counters, spans and the inspector are made."""

from collections.abc import Sequence
from operator import add
from time import monotonic

import msgspec

from proxy.errors import ProxyError
from proxy.http1.fields import FieldLine
from proxy.http1.message import RequestHead, ResponseHead
from proxy.policy.stripped import Stripped
from proxy.telemetry.seen import Seen
from proxy.telemetry.trace import Trace


class EarlierAttempt(msgspec.Struct, frozen=True):
    """An attempt that failed, and was followed by another."""

    origin: str
    result: str  # a code from `errors`, or the status that a retry was made for
    reason: str  # why another was made: one of `telemetry.series.RETRY_REASONS`
    reused: bool
    ended: float  # monotonic time, in seconds
    error_type: str = ""  # of RFC 9209, where it failed by an error


class ExchangeRecord(msgspec.Struct):
    """One exchange, from head to end. Sizes are body bytes; `started`, `responded` and `ended` are `time.monotonic()`
    in seconds, because the event loop's clock has only milliseconds.

    Of a request that was refused, method, target, version and fields are unchecked, as far as they arrived. `error` is
    a code from `errors`.
    """

    client: str
    started: float
    request_id: str = ""
    method: bytes = b""
    target: bytes = b""
    http_version: bytes = b""
    fields: Sequence[FieldLine] = ()  # the request's, as received
    head: RequestHead | None = None  # None where the head could not be read
    route: str = ""
    service: str = ""  # the upstream that the request was for
    response: ResponseHead | None = None  # its final response, or the 101, as it was received
    earlier: list[EarlierAttempt] | None = None  # attempts before the last
    origin: str = ""  # of the last attempt
    reused: bool = False
    attempts: int = 0
    status: int = 0
    ended: float = 0.0
    responded: float = 0.0  # when the head of the final response was written; 0.0: there was none
    request_bytes: int = 0
    response_bytes: int = 0
    tunnel_end: str = ""  # why a tunnel ended: `closed`, `idle`, `reset_by_client`, `reset_by_upstream`, `shut_down`
    error: str = ""
    detail: str = ""
    error_type: str = ""  # of RFC 9209
    would_refuse: str = ""  # the error of a limit that only counts (`dry_run`)
    trusted: bool = False  # the peer is in trusted_networks
    also_stripped: list[Stripped] | None = None  # from interim responses and trailers
    seen: Seen | None = None  # heads and decisions, where they are recorded
    trace: Trace | None = None  # where tracing is on
    is_health_check: bool = False  # `onehop health`, asking from this machine

    def note_stripped(self, direction: int, stripped: Stripped) -> None:
        """Count stripped lines of an interim response or a trailer section. `direction`: a place in DIRECTIONS."""
        if self.also_stripped is None:
            self.also_stripped = [Stripped(), Stripped()]
        self.also_stripped[direction] = Stripped(*map(add, self.also_stripped[direction], stripped))

    def failed(self, error: ProxyError) -> None:
        """Note the error by which the exchange failed, or was cut short."""
        self.error, self.detail, self.error_type = error.code, error.detail, error.proxy_status

    def note_retry(self, result: str, reason: str, error_type: str = "") -> None:
        """Note that the attempt under way has failed and another follows. Call it before that one begins."""
        if self.earlier is None:
            self.earlier = []
        self.earlier.append(EarlierAttempt(self.origin, result, reason, self.reused, monotonic(), error_type))
        if self.trace is not None:
            self.trace.attempt_failed()
