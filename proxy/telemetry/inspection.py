"""An exchange as the inspector shows it: the request, each decision with its rule, times, and the result.

Secrets are masked here, in the worker: the inspector never holds one. Texts and rate are bounded to what a person can
read.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from time import monotonic, time
from typing import Final

import msgspec

from proxy.http1.fields import FieldLine
from proxy.http1.masking import shown_target, shown_value, target_without_userinfo
from proxy.http1.remembered import remember
from proxy.policy.decisions import Rule
from proxy.policy.forwarded import Hop
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.seen import Message, Seen

_MOST_TEXT: Final = 400  # characters of a value or a target
_MOST_LINES: Final = 60  # of a message
_MOST_MESSAGES: Final = 12  # of an exchange
#: Exchanges that a worker reports. More are only counted.
MOST_PER_SECOND: Final = 100
MOST_FAILED_PER_SECOND: Final = 25  # failed ones in addition

#: The first byte of a worker's message that is an exchange; all other messages of workers are plain JSON.
MARK: Final = b"E"


_ENCODER: Final = msgspec.json.Encoder()
#: Lines as they are shown, and with a rule: most lines of a request are those of the one before. No secret is among
#: them, and nothing long.
_MOST_REMEMBERED: Final = 1024
_MOST_REMEMBERED_BYTES: Final = 256  # of a value
_shown: dict[FieldLine, tuple[str, str]] = {}
_decided: dict[tuple[FieldLine, str], "ShownLine"] = {}


class ShownLine(msgspec.Struct):
    """A field line, and what was decided about it."""

    name: str
    value: str
    verdict: str  # "kept", "stripped", "untrusted", "replaced", "set"
    outcome: str  # more exactly: one of `policy.decisions.Outcome`
    rule: str


class ShownMessage(msgspec.Struct):
    """A head or a trailer section, as received and as sent."""

    kind: str
    received: str
    sent: str
    lines: list[ShownLine]
    sent_lines: list[tuple[str, str]]
    left_out: int = 0  # lines beyond the bound


class ShownAttempt(msgspec.Struct):
    """An attempt at a service. Times are milliseconds from the exchange's beginning; 0: it did not happen."""

    origin: str
    reused: bool
    result: str  # a status, an error's code, or "" where the attempt was abandoned
    ended_ms: float
    began_ms: float = 0.0
    tls_ms: float = 0.0  # when TLS began, on a new connection
    connected_ms: float = 0.0
    answered_ms: float = 0.0  # when its response's head was read
    age_s: float = 0.0  # of the connection, when it was taken
    exchanges: int = 0  # on the connection before this one
    kept: bool | None = None  # whether the connection stayed open; None: there was none
    why: str = ""


class Shown(msgspec.Struct):
    """One exchange. Times are milliseconds from its beginning."""

    id: str
    at: float  # Unix time
    client: str
    trusted: bool
    method: str
    target: str
    version: str
    host: str
    route: str
    upstream: str
    status: int
    error: str
    detail: str
    attempts: list[ShownAttempt]
    marks: list[tuple[str, float]]
    responded_ms: float  # 0: nothing was answered
    ended_ms: float
    request_bytes: int
    response_bytes: int
    tunnel_end: str
    messages: list[ShownMessage]
    route_serves: str = ""  # the conditions of the route, in words
    walk: list[Hop] = []  # from the trusted peer along X-Forwarded-For to the client
    client_kept: bool | None = None  # whether the client's connection stays open; None: not recorded
    client_why: str = ""
    skipped: int = 0  # exchanges of this worker that were not reported since the last


class Inspection:
    """Reports each exchange that has ended, as JSON after `MARK`.

    Which are recorded in detail is decided as they begin, so that all others cost nothing. Of the others, those that
    fail are reported without their heads.
    """

    def __init__(self, send: Callable[[bytes], object], routes: Mapping[str, str] | None = None) -> None:
        """`routes` holds the conditions of each route, in words."""
        self._send = send
        self._routes = routes or {}
        self._second = self._ending_second = 0
        self._begun = self._told = self._failed = 0  # within it
        self._skipped = 0

    @property
    def sink(self) -> Sink:
        """The events that it listens to."""
        return Sink(ended=self.tell)

    def look(self, now: float) -> Seen | None:
        """A new record for a request that begins now (monotonic time); None beyond the bound."""
        second = int(now)
        if second != self._second:
            self._second, self._begun = second, 0
        self._begun += 1
        return Seen() if self._begun <= MOST_PER_SECOND else None

    def tell(self, record: ExchangeRecord) -> None:
        """Report one record; beyond the bound, only count it."""
        if record.seen is None and not record.error:
            self._skipped += 1
            return
        if record.is_health_check:
            return
        second = int(record.ended)
        if second != self._ending_second:
            self._ending_second, self._told, self._failed = second, 0, 0
        if record.seen is None:
            self._failed += 1
        else:
            self._told += 1  # bounded here as well: tunnels that began in different seconds may end together
        if self._told > MOST_PER_SECOND or self._failed > MOST_FAILED_PER_SECOND:
            self._skipped += 1
            return
        shown = exchange(record, time() - monotonic(), self._routes.get(record.route, ""))
        shown.skipped, self._skipped = self._skipped, 0
        self._send(MARK + _ENCODER.encode(shown))


def exchange(record: ExchangeRecord, clock_offset_s: float, route_serves: str = "") -> Shown:
    """An exchange that has ended. `clock_offset_s` is how far Unix time is ahead of monotonic time."""
    began = record.started

    def ms(at: float) -> float:
        return round(max(0.0, at - began) * 1000, 3) if at else 0.0

    attempts = [ShownAttempt(each.origin, each.reused, each.result, ms(each.ended)) for each in record.earlier or ()]
    if record.origin:
        result = record.error or (str(record.response.status) if record.response is not None else "")
        attempts.append(ShownAttempt(record.origin, record.reused, result, ms(record.responded or record.ended)))
    seen = record.seen
    for shown, its in zip(attempts, seen.attempts if seen is not None else (), strict=False):
        shown.began_ms, shown.tls_ms, shown.connected_ms = ms(its.began), ms(its.tls_began), ms(its.connected)
        shown.answered_ms, shown.age_s, shown.exchanges = ms(its.answered), round(its.age_s, 3), its.exchanges
        if its.connection is not None:
            shown.kept, shown.why = its.connection
    kept, why = seen.client if seen is not None and seen.client is not None else (None, "")
    host = next((value for name, value in record.fields if name.lower() == b"host"), b"")
    return Shown(
        id=_text(record.request_id.encode()),
        at=began + clock_offset_s,
        client=record.client,
        trusted=record.trusted,
        method=_text(record.method),
        target=_text(shown_target(record.target)),
        version=_text(record.http_version),
        host=_text(target_without_userinfo(host)),
        route=record.route,
        upstream=record.service,
        status=record.status,
        error=record.error,
        detail=_cut(record.detail.encode("utf-8", "replace").decode()),  # JSON cannot hold surrogates
        attempts=attempts,
        marks=[(name, ms(at)) for name, at in seen.marks] if seen is not None else [],
        responded_ms=ms(record.responded),
        ended_ms=ms(record.ended),
        request_bytes=record.request_bytes,
        response_bytes=record.response_bytes,
        tunnel_end=record.tunnel_end,
        messages=[_message(each) for each in _first_and_last(seen.messages)] if seen is not None else [],
        route_serves=route_serves,
        walk=seen.walk if seen is not None else [],
        client_kept=kept,
        client_why=why,
    )


def _first_and_last(messages: list[Message]) -> list[Message]:
    """The request, the final response and its trailers, and as many of those between as there is room for."""
    if len(messages) <= _MOST_MESSAGES:
        return messages
    return messages[: _MOST_MESSAGES // 2] + messages[-_MOST_MESSAGES // 2 :]


def _message(message: Message) -> ShownMessage:
    decisions = message.decisions
    return ShownMessage(
        kind=message.kind,
        received=_text(shown_target(message.received)),
        sent=_text(shown_target(message.sent)),
        lines=[_decided_line(line, rule) for line, rule in islice(decisions.made(), _MOST_LINES)],
        sent_lines=[_shown_line(line) for line in message.lines[:_MOST_LINES]],
        left_out=max(0, len(decisions) - _MOST_LINES),
    )


def _decided_line(line: FieldLine, rule: Rule) -> ShownLine:
    found = _decided.get((line, rule.text))
    if found is None:
        found = ShownLine(*_shown_line(line), rule.outcome.verdict, rule.outcome.value, rule.text)
        if line in _shown:
            remember(_decided, (line, rule.text), found, _MOST_REMEMBERED)
    return found


def _shown_line(line: FieldLine) -> tuple[str, str]:
    found = _shown.get(line)
    if found is None:
        name, value = line
        found = _text(name), _cut(shown_value(line))
        if len(name) + len(value) <= _MOST_REMEMBERED_BYTES and found[1] == value.decode("latin-1"):
            remember(_shown, line, found, _MOST_REMEMBERED)
    return found


def _text(data: bytes) -> str:
    return _cut(data.decode("latin-1"))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
