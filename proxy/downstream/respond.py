"""Answers of our own to a client."""

from time import monotonic
from typing import Final

from proxy.downstream.connection import ClientConnection
from proxy.http1 import writer
from proxy.http1.section import outgoing
from proxy.policy.local_responses import LocalResponse
from proxy.telemetry.record import ExchangeRecord

_BODILESS: Final = frozenset({204, 304})  # RFC 9110 §8.6: nor do they declare a length


def write_answer(
    client: ClientConnection,
    answer: LocalResponse,
    *,
    method: bytes,
    date: bytes,
    connection: bytes | None,
    record: ExchangeRecord,
) -> None:
    """Write an answer of our own, without its body where the method is HEAD."""
    lines = [
        (b"Date", date),
        *answer.fields,
        *([(b"Content-Length", b"%d" % len(answer.body))] if answer.status not in _BODILESS else []),
        *([(b"Connection", connection)] if connection is not None else []),
    ]
    body = b"" if method == b"HEAD" else answer.body
    record.status = answer.status
    record.responded = monotonic()
    record.response_bytes = len(body)
    if record.seen is not None:
        record.seen.ended_here(record.method, record.target, record.http_version, record.fields)
        record.seen.answer(answer.status, answer.reason, lines)
    client.stream.write(writer.response_head(answer.status, answer.reason, outgoing(lines)) + body)
