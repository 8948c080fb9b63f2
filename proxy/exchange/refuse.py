"""The answer to a request that could not be read."""

from time import monotonic

from proxy.downstream.connection import ClientConnection
from proxy.downstream.phases import Ending
from proxy.downstream.respond import write_answer
from proxy.errors import BadRequest, ProxyError
from proxy.exchange.context import WorkerContext
from proxy.http1.parsing.refused import other_protocol, refused_head
from proxy.policy.forwarded import client_address
from proxy.policy.keeping import NOT_SAFE
from proxy.policy.local_responses import error_response
from proxy.telemetry.record import ExchangeRecord


async def refuse_unread(context: WorkerContext, client: ClientConnection, error: ProxyError, started: float) -> None:
    """Answer a request that could not be read, report it with what arrived of its head, and let the connection close:
    where the next request would begin is unknown."""
    arrived = client.reader.unread
    if isinstance(error, BadRequest) and (protocol := other_protocol(arrived)) is not None:
        error = BadRequest(protocol[1], code=protocol[0])
    head = refused_head(arrived)
    record = ExchangeRecord(
        client.peer, started, context.next_request_id(), head.method, head.target, head.http_version, head.fields
    )
    if context.look is not None:
        record.seen = context.look(started)
    if client.identity.trusted:
        forwarded_for = [value for name, value in head.fields if name.lower() == b"x-forwarded-for"]
        walk = None if record.seen is None else record.seen.walk
        record.client = client_address(client.peer, forwarded_for, context.trusted, walk)
    record.failed(error)
    if record.seen is not None:
        record.seen.client = NOT_SAFE
    settings = context.settings
    answer = error_response(
        error, None, pseudonym=settings.pseudonym, request_id=record.request_id, pages=settings.error_pages
    )
    try:
        write_answer(
            client,
            answer,
            method=head.method if head.method == b"HEAD" else b"",  # its answer has no body, not even an error's
            date=context.http_date(),
            connection=b"close",
            record=record,
        )
        await client.wait_for_client()
        client.ending = Ending.LINGER
        if context.events.responded is not None:
            context.events.responded(record)
    except ProxyError:
        client.stream.abort()  # the client is gone; the record says why its request was refused
    finally:
        if context.events.ended is not None:
            record.ended = monotonic()
            context.events.ended(record)
