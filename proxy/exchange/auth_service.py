"""Asks a service whether a request may go on. It is an upstream like any other: its connections come from the pool, its
origins are balanced and health-checked, and the route's time-outs apply.

If it is down, too slow or gives no valid response, the request is refused.
"""

from typing import Final

from proxy.downstream.connection import ClientConnection
from proxy.errors import BadRequest, BadResponse, LimitReached, ProtocolError, ProxyError, UpstreamError
from proxy.exchange.attempts import Attempts
from proxy.exchange.context import WorkerContext
from proxy.http1 import writer
from proxy.http1.fields import Fields
from proxy.http1.message import NO_BODY, RequestHead, ResponseHead
from proxy.policy.access import AuthService
from proxy.policy.auth_request import answer_of, auth_request_fields, copied_fields
from proxy.policy.local_responses import LocalResponse
from proxy.policy.plans import Forward
from proxy.policy.route import Route
from proxy.telemetry.record import ExchangeRecord
from proxy.upstream.connection import UpstreamConnection

_MOST_BODY_BYTES: Final = 1 << 20  # of a response for the client: it is held in memory
_MOST_UNUSED_BYTES: Final = 65_536  # of a body that is discarded: beyond it, a new connection costs less
_UNUSED_S: Final = 1.0  # to wait for the rest of such a body


async def ask(
    service: AuthService,
    context: WorkerContext,
    client: ClientConnection,
    head: RequestHead,
    route: Route,
    record: ExchangeRecord,
) -> Fields | LocalResponse:
    """Return the field lines to add to the request if it may go on, else the response for the client.

    Raises UpstreamError, LimitReached, ClientGone, RequestOverdue.
    """
    request_id = record.request_id.encode()
    try:
        traced = None if record.trace is None else record.trace.stated_beside
        fields = auth_request_fields(service, head, client.identity, context.settings, request_id, traced)
    except ProtocolError as exc:
        raise BadRequest.of(exc) from exc
    forward = Forward(route, service.target, fields, NO_BODY, request_id, False, None, False)
    # Of version 1.0: no interim response is passed on.
    asking = RequestHead(b"GET", service.target, b"1.0", head.fields, head.known, head.options)
    # Not the exchange's record, which describes the service behind the route.
    own_record = ExchangeRecord(record.client, record.started, record.request_id, b"GET", service.target)
    attempts = Attempts(context, context.services[service.upstream], client, asking, own_record)
    client.exchange = attempts
    error: ProxyError | None = None
    try:
        return await _answer(service, context, client, attempts, forward)
    except (UpstreamError, LimitReached) as exc:
        error = attempts.ended_by or exc
        if error is not exc:
            raise error from exc
        exc.detail = f"asking auth service {service.upstream!r}: {exc.detail}"
        raise
    except ProxyError as exc:
        error = exc
        raise
    finally:
        attempts.end(error)
        client.exchange = None


async def _answer(
    service: AuthService, context: WorkerContext, client: ClientConnection, attempts: Attempts, forward: Forward
) -> Fields | LocalResponse:
    head = await attempts.respond(writer.request_head(b"GET", service.target, forward.fields), forward)
    lease = attempts.lease
    assert lease is not None
    upstream = lease.connection
    if 200 <= head.status < 300:
        if await _has_ended(upstream, context.loop.time() + _UNUSED_S):
            lease.give_back(request_complete=True)
        return copied_fields(service, head)
    answer = answer_of(head, await _body(upstream, head, context, client), context.settings, forward.route)
    lease.give_back(request_complete=True)
    return answer


async def _has_ended(upstream: UpstreamConnection, deadline: float) -> bool:
    """Read the rest of a body that nobody needs, so that its connection can be used again; return whether it came."""
    try:
        upstream.arrived()
        while not upstream.body.complete and upstream.body.received_bytes <= _MOST_UNUSED_BYTES:
            await upstream.read_body(deadline)
    except UpstreamError:
        return False  # the head alone decides
    return upstream.body.complete


async def _body(
    upstream: UpstreamConnection, head: ResponseHead, context: WorkerContext, client: ClientConnection
) -> bytes:
    if head.status == 304:
        raise BadResponse(f"{upstream.origin} answered 304 to a request without a condition")
    pieces = upstream.arrived()
    while not upstream.body.complete:
        if upstream.body.received_bytes > _MOST_BODY_BYTES:
            raise BadResponse(f"{upstream.origin} answered with more than {_MOST_BODY_BYTES} bytes")
        pieces += await upstream.read_body(context.loop.time() + client.timeouts.response_body_idle_s)
    return b"".join(pieces)
