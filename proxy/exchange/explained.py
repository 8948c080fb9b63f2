"""What a response says of its own exchange, to a client that may ask for it (`policy.explaining`)."""

from collections.abc import Iterator
from time import monotonic

from proxy.http1.fields import Fields
from proxy.http1.masking import shown_target
from proxy.policy.decisions import Decisions
from proxy.policy.explaining import FIELD, ExplainedMessage, Explaining
from proxy.policy.stripping import STATED, STATED_ANEW
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.seen import Seen


def explain(
    explaining: Explaining, record: ExchangeRecord, lines: Fields, received: bytes, decisions: Decisions
) -> None:
    """Add what was decided to the lines of a response. `received` is its status line; empty for an answer of our own.

    A field of that name that a service has sent is removed: it would pass for ours."""
    seen = record.seen
    if seen is None or not seen.is_told:
        return
    for line in [line for line in lines if line[0].lower() == FIELD.lower()]:
        lines.remove(line)
        decisions.decide(line, STATED_ANEW)
    request = ExplainedMessage(b"request", _of_request(seen, record), _request(seen))
    messages = [request, ExplainedMessage(*_response(record, received), decisions)]
    stated = explaining.stated(messages, _timings_ms(seen, record.started, monotonic()))
    lines += stated
    decisions.decide_all(stated, STATED)


def _request(seen: Seen) -> Decisions:
    return next((message.decisions for message in seen.messages if message.kind == "request"), Decisions())


def _of_request(seen: Seen, record: ExchangeRecord) -> Iterator[tuple[bytes, bytes]]:
    for message in seen.messages:
        if message.kind == "request":
            yield b"received", shown_target(message.received)
            yield b"sent", shown_target(message.sent)
    yield b"route", record.route.encode()
    yield b"upstream", record.service.encode()
    yield b"origin", record.origin.encode()
    yield b"attempts", b"%d" % record.attempts if record.attempts > 1 else b""
    yield b"id", record.request_id.encode()


def _response(record: ExchangeRecord, received: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    if received:
        return b"response", [(b"received", received)]
    return b"answered", [(b"error", record.error.encode())]


def _timings_ms(seen: Seen, started: float, now: float) -> Iterator[tuple[bytes, float]]:
    """Up to the response's head: in all, for the connection, and from then on."""
    yield b"total", (now - started) * 1000
    at = dict(seen.marks)  # of the last attempt
    if "connected" in at and "connecting" in at:
        yield b"connect", (at["connected"] - at["connecting"]) * 1000
        yield b"upstream", (now - at["connected"]) * 1000
