"""What is shown of a case to somebody who looks on, beside what both peers were sent: exchange by exchange, head by
head, in order, with interim responses, the 101 and trailer sections."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from proxy.http1.fields import Fields
from proxy.http1.masking import shown_value
from proxy.policy import keeping
from proxy.telemetry.inspection import ShownMessage, exchange
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.seen import Message as SeenMessage
from tests.conformance.play import Record
from tests.harness.wire import Message

Head: TypeAlias = tuple[str, ...]  # a first line, empty of trailers, and the field lines

_TO_SERVICE: Final = ("request", "request trailers")
_BROKEN: Final = (None, keeping.GIVEN_UP, keeping.NOT_SENT)
_MOST_INTERIM: Final = 40  # that are recorded of an exchange: `proxy.telemetry.seen` says why
_MOST_TEXT, _MOST_LINES, _MOST_MESSAGES = 400, 60, 12  # that a page is told: `proxy.telemetry.inspection` says why


def unlike(record: Record, looked_at: Sequence[ExchangeRecord]) -> list[str]:
    """Where what is shown is not what was sent. `looked_at` are the exchanges of the case, in order of their ends."""
    exchanges = sorted(looked_at, key=lambda each: each.started)
    found = [fault for each in exchanges for fault in _unlike_on_the_page(each)]
    if not record.client_faults:  # a client that gave up has read half of it
        found += (*_unlike_at_client(record, exchanges), *_unlike_at_service(record, exchanges))
    return found


def _unlike_at_client(record: Record, exchanges: Sequence[ExchangeRecord]) -> Iterator[str]:
    """Each exchange of a connection, in order, is one that is shown. What is shown beyond them came last, to a client
    that had stopped reading, or whose connection broke."""
    left = {number: list(_sent(each, to_service=False)) for number, each in enumerate(exchanges)}
    last = -1
    for received in record.received.values():
        after = -1
        for heads in _exchanges(received):
            number = next((n for n, shown in left.items() if n > after and shown == heads), None)
            if number is None:
                yield f"the client received, and is not shown: {heads}; shown: {left}"
            else:
                after = number
                last = max(last, number)
                del left[number]
    has_read_all = bool(record.ends) and all(end == "closed" for end in record.ends.values())
    surplus = record.surplus.decode("latin-1")
    for number, heads in left.items():
        for head in heads:
            if (number < last or has_read_all) and "\r\n".join(head) + "\r\n\r\n" not in surplus:
                yield f"shown, and not received: {head}"


def _exchanges(received: Sequence[Message]) -> Iterator[list[Head]]:
    """The heads of each exchange on a connection."""
    heads: list[Head] = []
    interim = 0
    for message in received:
        is_final = message.status >= 200 or message.status == 101
        interim += not is_final
        if is_final or interim <= _MOST_INTERIM:
            heads.append(_head(message))
        if message.trailers:
            heads.append(_trailers(message))
        if is_final:
            yield heads
            heads, interim = [], 0
    if heads:
        yield heads


def _unlike_at_service(record: Record, exchanges: Sequence[ExchangeRecord]) -> Iterator[str]:
    """Each request that the service was sent is an attempt of an exchange that is shown; and no attempt is shown that it
    was not sent, but on a connection that either end broke: what was sent before a reset may be lost with it."""
    received = [[_head(message), *([_trailers(message)] if message.trailers else [])] for message in record.requests]
    for each in exchanges:
        head, *trailers = [*_sent(each, to_service=True), ("",)]
        assert each.seen is not None
        tried = [attempt for attempt in each.seen.attempts if attempt.connected and head[0]]
        count = 0
        while received and count < len(tried) and received[0][0] == head:
            count += 1
            if any(section not in trailers for section in received.pop(0)[1:]):
                yield f"the service was sent other trailers than are shown: {trailers}"
        if count < sum(attempt.connection not in _BROKEN for attempt in tried):
            yield f"shown, and the service was not sent: {head}"
    for heads in received:
        yield f"the service was sent, and is not shown: {heads}"


def _sent(each: ExchangeRecord, *, to_service: bool) -> Iterator[Head]:
    """What is recorded as sent to one side. Sections of which no line went on are left out."""
    assert each.seen is not None
    for message in each.seen.messages:
        if (message.kind in _TO_SERVICE) is to_service and (message.sent or message.lines):
            yield _lines(message)


def _lines(message: SeenMessage) -> Head:
    lines = (f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in message.lines)
    return (message.sent.decode("latin-1"), *lines)


def _head(message: Message) -> Head:
    return (message.start, *(f"{name}: {value}" for name, value in message.fields))


def _trailers(message: Message) -> Head:
    return ("", *(f"{name}: {value}" for name, value in message.trailers))


def _unlike_on_the_page(each: ExchangeRecord) -> Iterator[str]:
    """The page is told the heads that are recorded, secrets masked, and long ones cut."""
    assert each.seen is not None
    recorded = each.seen.messages
    shown = exchange(each, 0.0).messages
    if len(recorded) <= _MOST_MESSAGES:
        for message, told in zip(recorded, shown, strict=True):
            expected = _cut(message.sent.decode("latin-1")), _masked(message.lines)
            if expected != (told.sent, _told(told)):
                yield f"the page is told {told}, not {expected}"


def _told(message: ShownMessage) -> list[tuple[str, str]]:
    return [(name, value) for name, value in message.sent_lines]


def _masked(lines: Fields) -> list[tuple[str, str]]:
    return [(_cut(line[0].decode("latin-1")), _cut(shown_value(line))) for line in lines[:_MOST_LINES]]


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
