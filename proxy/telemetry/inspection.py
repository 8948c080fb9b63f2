"""An exchange as the inspector shows it: who asked what, what was done to it, by which rule, when, and how it ended.

Secrets are masked here, in the worker: the inspector never holds one. Texts are cut to a bound, and so is the rate: who
looks at a page needs no more than a person can see.
"""

from collections.abc import Callable, Iterable
from time import monotonic, time
from typing import Final

import msgspec

from proxy.http1.fields import FieldLine
from proxy.http1.masking import shown_target, shown_value, target_without_userinfo
from proxy.policy.decisions import Decision
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.seen import Message

_MOST_TEXT: Final = 400  # characters of a value or a target
_MOST_LINES: Final = 60  # of a message
_MOST_MESSAGES: Final = 12  # of an exchange
#: Of a worker. More are counted, not shown.
MOST_PER_SECOND: Final = 200

#: What marks a worker's message as an exchange; everything else that workers tell is JSON.
MARK: Final = b"E"


class ShownLine(msgspec.Struct):
    """A field line, and what became of it."""

    name: str
    value: str
    verdict: str  # "kept", "stripped", "untrusted", "replaced", "set"
    outcome: str  # more exactly: one of `policy.decisions.Outcome`
    rule: str


class ShownMessage(msgspec.Struct):
    """A head or a trailer section, as it came and as it went on."""

    kind: str
    received: str
    sent: str
    lines: list[ShownLine]
    sent_lines: list[tuple[str, str]]
    left_out: int = 0  # lines beyond what is shown


class ShownAttempt(msgspec.Struct):
    """An attempt at a service."""

    origin: str
    reused: bool
    result: str  # a status, an error's code, or "" where it was given up
    ended_ms: float


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
    skipped: int = 0  # exchanges that this worker has not told since the last


class Inspection:
    """Tells each exchange that has ended, as a message of JSON behind `MARK`."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._second = 0
        self._told = 0
        self._skipped = 0

    @property
    def sink(self) -> Sink:
        """What it listens to."""
        return Sink(ended=self.tell)

    def tell(self, record: ExchangeRecord) -> None:
        """Take one record; beyond the bound, only count it."""
        if record.is_health_check:
            return
        second = int(record.ended)
        if second != self._second:
            self._second, self._told = second, 0
        self._told += 1
        if self._told > MOST_PER_SECOND:
            self._skipped += 1
            return
        shown = exchange(record, time() - monotonic())
        shown.skipped, self._skipped = self._skipped, 0
        self._send(MARK + msgspec.json.encode(shown))


def look_on(_: ExchangeRecord) -> None:
    """What is called as a request goes on: the inspector is told of it once it has ended."""


def exchange(record: ExchangeRecord, clock_offset_s: float) -> Shown:
    """An exchange that has ended. `clock_offset_s` is how far Unix time is ahead of monotonic time."""
    began = record.started

    def ms(at: float) -> float:
        return round(max(0.0, at - began) * 1000, 3) if at else 0.0

    result = record.error or (str(record.response.status) if record.response is not None else "")
    attempts = [
        ShownAttempt(each.origin, each.reused, each.result, ms(each.ended)) for each in record.earlier or ()
    ]  # fmt: skip
    if record.origin:
        attempts.append(ShownAttempt(record.origin, record.reused, result, ms(record.responded or record.ended)))
    seen = record.seen
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
        detail=_text(record.detail.encode("utf-8", "replace")),
        attempts=attempts,
        marks=[(name, ms(at)) for name, at in seen.marks] if seen is not None else [],
        responded_ms=ms(record.responded),
        ended_ms=ms(record.ended),
        request_bytes=record.request_bytes,
        response_bytes=record.response_bytes,
        tunnel_end=record.tunnel_end,
        messages=[_message(each) for each in _first_and_last(seen.messages)] if seen is not None else [],
    )


def _first_and_last(messages: list[Message]) -> list[Message]:
    """The request, the final response and its trailers, and as many of those between as there is room for."""
    if len(messages) <= _MOST_MESSAGES:
        return messages
    return messages[: _MOST_MESSAGES // 2] + messages[-_MOST_MESSAGES // 2 :]


def _message(message: Message) -> ShownMessage:
    decisions = list(message.decisions)
    return ShownMessage(
        kind=message.kind,
        received=_text(shown_target(message.received)),
        sent=_text(shown_target(message.sent)),
        lines=[_line(decision) for decision in decisions[:_MOST_LINES]],
        sent_lines=list(_shown_lines(message.lines[:_MOST_LINES])),
        left_out=max(0, len(decisions) - _MOST_LINES),
    )


def _line(decision: Decision) -> ShownLine:
    name, value = next(iter(_shown_lines([decision.line])))
    return ShownLine(name, value, decision.outcome.verdict, decision.outcome.value, decision.rule)


def _shown_lines(lines: Iterable[FieldLine]) -> Iterable[tuple[str, str]]:
    for line in lines:
        yield _text(line[0]), _text(shown_value(line).encode("latin-1"))


def _text(data: bytes) -> str:
    text = data.decode("latin-1")
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
