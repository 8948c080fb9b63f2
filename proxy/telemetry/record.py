"""The record of one exchange, from which the access log, counters, spans and the inspector are made."""

from collections.abc import Sequence
from operator import add
from time import monotonic
from typing import Final

from proxy.errors import ProxyError
from proxy.http1.fields import FieldLine
from proxy.http1.message import RequestHead, ResponseHead
from proxy.policy.stripped import Stripped
from proxy.telemetry.seen import Seen
from proxy.telemetry.trace import Trace


class EarlierAttempt:
    """An attempt that failed, and was followed by another.

    `result` is a code from `errors`, or the status that a retry was made for; `reason`, one of
    `telemetry.series.RETRY_REASONS`, says why another was made; `ended` is monotonic time, in seconds; `error_type` is
    of RFC 9209, where it failed by an error.
    """

    __slots__ = ("ended", "error_type", "origin", "reason", "result", "reused")

    def __init__(self, origin: str, result: str, reason: str, reused: bool, ended: float, error_type: str = "") -> None:
        self.origin: Final = origin
        self.result: Final = result
        self.reason: Final = reason
        self.reused: Final = reused
        self.ended: Final = ended
        self.error_type: Final = error_type


class ExchangeRecord:
    """One exchange, from head to end. Sizes are body bytes; `started`, `responded` and `ended` are `time.monotonic()`
    in seconds, because the event loop's clock has only milliseconds.

    Of a request that was refused, method, target, version and fields are unchecked, as far as they arrived. `error` is
    a code from `errors`.
    """

    __slots__ = (
        "also_stripped", "attempts", "client", "detail", "earlier", "ended", "error", "error_type", "fields", "head",
        "http_version", "is_health_check", "method", "origin", "request_bytes", "request_id", "responded", "response",
        "response_bytes", "reused", "route", "seen", "service", "started", "status", "target", "trace", "trusted",
        "tunnel_end", "would_refuse",
    )  # fmt: skip

    def __init__(
        self, client: str, started: float, request_id: str = "", method: bytes = b"", target: bytes = b"",
        http_version: bytes = b"", fields: Sequence[FieldLine] = (), head: RequestHead | None = None,
    ) -> None:  # fmt: skip
        self.client = client
        self.started = started
        self.request_id = request_id
        self.method = method
        self.target = target
        self.http_version = http_version
        self.fields = fields  # the request's, as received
        self.head = head  # None where the head could not be read
        self.route = ""
        self.service = ""  # the upstream that the request was for
        self.response: ResponseHead | None = None  # its final response, or the 101, as it was received
        self.earlier: list[EarlierAttempt] | None = None  # attempts before the last
        self.origin = ""  # of the last attempt
        self.reused = False
        self.attempts = 0
        self.status = 0
        self.ended = 0.0
        self.responded = 0.0  # when the head of the final response was written; 0.0: there was none
        self.request_bytes = 0
        self.response_bytes = 0
        self.tunnel_end = ""  # why: `closed`, `idle`, `reset_by_client`, `reset_by_upstream` or `shut_down`
        self.error = ""
        self.detail = ""
        self.error_type = ""  # of RFC 9209
        self.would_refuse = ""  # the error of a limit that only counts (`dry_run`)
        self.trusted = False  # the peer is in trusted_networks
        self.also_stripped: list[Stripped] | None = None  # from interim responses and trailers
        self.seen: Seen | None = None  # heads and decisions, where they are recorded
        self.trace: Trace | None = None  # where tracing is on
        self.is_health_check = False  # `onehop health`, asking from this machine

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
