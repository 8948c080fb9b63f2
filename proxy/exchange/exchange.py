"""One request from head to log record: the straight line.

The only place, with the modules beside it, that sees both the client and the upstream.
"""

import asyncio
from functools import partial
from time import monotonic

from proxy.downstream.connection import CLIENT_CLOSED, ClientConnection, Ending, Phase
from proxy.downstream.respond import write_answer
from proxy.errors import BadRequest, ClientGone, InternalError, ProxyError, RequestOverdue, UpstreamError
from proxy.exchange.admission import admit
from proxy.exchange.attempts import Attempts
from proxy.exchange.context import WorkerContext
from proxy.exchange.copy_body import BodySink, Trailers, copy_body, framed, write_all
from proxy.exchange.tunnel import Tunnel, TunnelEnd
from proxy.exchange.upload import RequestBody
from proxy.http1 import writer
from proxy.http1.fields import X_FORWARDED_NAMES
from proxy.http1.framing import outgoing_response_framing, request_framing
from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, BodyFraming, RequestHead, ResponseHead
from proxy.http1.parsing.body import EMPTY_BODY
from proxy.http1.persistence import persists
from proxy.policy.decisions import Decisions
from proxy.policy.forwarded import client_address, is_from_this_machine, plain_address, trusted_request_id
from proxy.policy.local_responses import LocalResponse, error_response
from proxy.policy.request_plan import Forward, plan
from proxy.policy.response_fields import final_response_fields, switching_response_fields
from proxy.policy.trailers import forwarded_trailers
from proxy.telemetry.record import ExchangeRecord
from proxy.transport.deadlines import NEVER
from proxy.upstream.pool import Lease


class Exchange:
    """One request and its response."""

    __slots__ = (
        "_attempts",
        "_client",
        "_context",
        "_head",
        "_record",
        "_request_body",
        "_response_framing",
    )  # fmt: skip

    def __init__(self, context: WorkerContext, client: ClientConnection, head: RequestHead, started: float) -> None:
        self._context = context
        self._client = client
        self._head = head
        request_id = context.next_request_id()
        self._record = ExchangeRecord(
            client.peer, started, request_id, head.method, head.target, head.http_version, head.fields, head
        )
        if client.identity.trusted:
            self._apply_trusted_headers(head)
        elif X_FORWARDED_NAMES in head.known:
            context.warn_x_forwarded_dropped(client.peer)
        self._request_body: RequestBody | None = None
        self._attempts: Attempts | None = None
        self._response_framing: BodyFraming | None = None  # to the client, once its head has been written
        if context.events.began is not None:
            context.events.began(self._record)

    async def run(self) -> bool:
        """Carry the exchange to its end, and report its record. Returns whether the client's connection goes on."""
        client, record = self._client, self._record
        try:
            return await self._forward()
        except ProxyError as error:
            return await self._answer_error(self._cause(error))
        except asyncio.CancelledError:
            record.error, record.detail = "cancelled", "the worker ended first"
            client.stream.reset()
            record.response_bytes = max(0, record.response_bytes - client.stream.untaken_bytes())
            raise
        except Exception as exc:  # a defect of ours costs its own exchange, is logged, and costs no other
            return await self._answer_error(InternalError.from_defect(exc))
        finally:
            if self._attempts is not None:
                self._attempts.end()
            if self._request_body is not None:
                record.request_bytes = self._request_body.body.received_bytes
            if self._context.events.ended is not None:
                self._context.events.ended(record)

    # -- the straight line ---------------------------------------------------------------------------------------

    async def _forward(self) -> bool:
        head, client, context, record = self._head, self._client, self._context, self._record
        # 1. Decide what becomes of it.
        decisions = None if context.observe is None else Decisions()
        decided = plan(head, client.identity, context.routes, context.settings, record.request_id.encode(), decisions)
        if not isinstance(decided, Forward):
            return await self._end_here(decided)
        if decided.framing is not NO_BODY:
            self._request_body = RequestBody(client, decided.framing, context.limits)
        record.route = decided.route.name
        if decided.route.access is not None:
            await admit(decided.route.access, context, head, record)
        if context.observe is not None and decisions is not None:
            context.observe(head, decided, decisions)
        request = writer.request_head(head.method, decided.target, decided.fields)
        service = context.services[decided.route.upstream]
        record.service = service.name
        # 2. Send it, as often as is harmless, until there is a response.
        attempts = self._attempts = Attempts(context, service, client, head, self._request_body, record)
        client.exchange = attempts
        response = record.response = await attempts.respond(request, decided)
        lease = attempts.lease
        assert lease is not None
        # 3. Pass the response on.
        if response.status == 101:
            await self._tunnel(response, decided, attempts, lease)
            return False
        return await self._pass_response(response, decided, attempts, lease)

    async def _pass_response(self, head: ResponseHead, forward: Forward, attempts: Attempts, lease: Lease) -> bool:
        client, record, context = self._client, self._record, self._context
        request, upstream = self._head, lease.connection
        framing = outgoing_response_framing(upstream.framing, request.http_version)
        request_sent = attempts.request_sent
        stays_open = (
            request_sent
            and not client.shutting_down
            and framing is not UNTIL_CLOSE
            and persists(request.http_version, request.options)
        )
        connection = None
        if not stays_open:
            connection = b"close"
        elif request.http_version < b"1.1":
            connection = b"keep-alive"
        lines = final_response_fields(
            head, context.settings, framing, context.http_date(), connection, forward.route.response_fields,
            with_trailers=forward.wants_trailers,
        )  # fmt: skip
        record.status = head.status
        if attempts.service.is_sticky:
            lines += attempts.cookies()
        trailers: Trailers | None = None
        if forward.wants_trailers:
            rules = forward.route.response_fields
            trailers = partial(forwarded_trailers, connection_options=head.options, rules=rules)
        chunked = framing is CHUNKED
        pieces, body = upstream.arrived(), upstream.body
        self._response_begins(framing)
        first = [writer.response_head(head.status, head.reason, lines)]
        first += framed(pieces, body, chunked=chunked, trailers=trailers) if chunked else pieces
        write_all(client.stream, first)
        try:
            if not body.complete:
                sink = BodySink(client.stream, chunked=chunked, trailers=trailers, wait=client.wait_for_client)
                await copy_body(upstream, sink, self._response_body_deadline)
        finally:
            record.response_bytes = body.received_bytes
        if not request_sent:
            client.stream.end_writing()  # it was told close: only the rest of its upload is still waited for
            await attempts.end_upload()
        lease.give_back(request_complete=attempts.request_sent)
        if client.stream.must_drain():
            client.phase = Phase.DELIVERING
            await client.wait_for_client()
        if stays_open:
            return True
        # The rest of its body, its next request or a stray CRLF may be on the way (RFC 9112 §9.6).
        client.ending = Ending.LINGER
        return False

    def _response_begins(self, framing: BodyFraming) -> None:
        """The head of the final response, or the 101, is written now: from here on, a failure cuts it."""
        self._response_framing = framing
        record, events = self._record, self._context.events
        if events.ended is not None:
            record.responded = monotonic()
        if events.responded is not None:
            events.responded(record)

    def _response_body_deadline(self) -> float:
        """By when more of the response is due: while the request is on its way, its own deadlines watch it, and its end
        starts this one."""
        assert self._attempts is not None
        if self._attempts.is_uploading:
            return NEVER
        return self._context.loop.time() + self._context.timeouts.response_body_idle_s

    async def _tunnel(self, head: ResponseHead, forward: Forward, attempts: Attempts, lease: Lease) -> None:
        client, record, upstream = self._client, self._record, lease.connection
        assert forward.upgrade is not None
        fields = switching_response_fields(head, self._context.settings, forward.upgrade)
        if attempts.service.is_sticky:
            fields += attempts.cookies()
        record.status = 101
        self._response_begins(UNTIL_CLOSE)
        client.stream.write(writer.response_head(101, head.reason, fields))
        client.begin_tunnel()
        timeouts = self._context.timeouts
        tunnel = Tunnel(
            client.stream, upstream.stream, idle_s=timeouts.tunnel_idle_s, half_closed_s=timeouts.tunnel_half_closed_s
        )
        end = TunnelEnd.SHUT_DOWN
        try:
            end = await tunnel.run(client.reader.take_unread(), upstream.take_unread())
        finally:
            record.tunnel_end = end.value
            record.request_bytes, record.response_bytes = tunnel.bytes_up, tunnel.bytes_down
            self._request_body = None
        lease.close()
        client.ending = Ending.LINGER

    def _cause(self, error: ProxyError) -> ProxyError:
        """Why an exchange failed: an upload that fails breaks the upstream's connection, and so does giving it up, and
        what that looked like is not what happened."""
        if self._attempts is None or not isinstance(error, UpstreamError):
            return error
        return self._attempts.upload_error or self._attempts.ended_by or error

    # -- answers of our own --------------------------------------------------------------------------------------

    async def _end_here(self, decided: LocalResponse | ProxyError) -> bool:
        """The request goes to no upstream. Raises the error that the plan came to."""
        framing = request_framing(self._head)
        if framing is not NO_BODY:
            self._request_body = RequestBody(self._client, framing, self._context.limits)
        if isinstance(decided, ProxyError):
            raise decided
        self._note_health_check()
        return await self._answer(decided, keep_open=True)

    def _note_health_check(self) -> None:
        """Mark what `onehop health` asks, every few seconds: a log line each would bury the others."""
        if self._head.method == b"OPTIONS" and self._head.target == b"*":
            own = self._client.stream.transport.get_extra_info("sockname")
            listener = plain_address(own[0]) if isinstance(own, tuple) else ""
            self._record.is_health_check = is_from_this_machine(self._client.peer, listener, self._head.known)

    async def _answer_error(self, error: ProxyError) -> bool:
        """Tell the client what went wrong, or cut the transfer where a response has begun: never a clean end."""
        client, record = self._client, self._record
        if isinstance(error, InternalError):
            self._context.report_defect(error.__cause__ or error, record.request_id)
        if client.is_gone and not isinstance(error, ClientGone):
            error = ClientGone(CLIENT_CLOSED)
        record.error, record.detail = error.code, error.detail
        if self._attempts is not None:
            self._attempts.end(error)
        if isinstance(error, RequestOverdue) and self._response_framing is not None and client.stream.must_drain():
            client.stream.reset()  # the client was too slow: it gets no more time for what is queued
        if isinstance(error, ClientGone) or self._response_framing is not None:
            record.status = record.status or 499
            untaken = await client.deliver_cut(only_the_end_delimits=self._response_framing is UNTIL_CLOSE)
            record.response_bytes = max(0, record.response_bytes - untaken)
            return False
        answer = error_response(
            error,
            [value for name, value in self._head.fields if name.lower() == b"accept"],
            pseudonym=self._context.settings.pseudonym,
            request_id=record.request_id,
        )
        try:
            return await self._answer(answer, keep_open=not isinstance(error, BadRequest | InternalError))
        except ClientGone:
            await client.deliver_cut(only_the_end_delimits=False)
            return False

    async def _answer(self, answer: LocalResponse, *, keep_open: bool) -> bool:
        """Send a complete answer. The connection goes on only where no byte of this request can still come."""
        head, client = self._head, self._client
        body = self._request_body.body if self._request_body is not None else EMPTY_BODY
        stays_open = (
            keep_open and body.complete and not client.shutting_down and persists(head.http_version, head.options)
        )
        connection = b"close"
        if stays_open:
            connection = b"keep-alive" if head.http_version < b"1.1" else b""
        await write_answer(
            client,
            answer,
            method=head.method,
            date=self._context.http_date(),
            connection=connection or None,
            record=self._record,
        )
        if self._context.events.responded is not None:
            self._context.events.responded(self._record)
        if not stays_open:
            client.ending = Ending.LINGER
        return stays_open

    # -- details -------------------------------------------------------------------------------------------------

    def _apply_trusted_headers(self, head: RequestHead) -> None:
        """Take a trusted peer's word for who the client is, and for the request's id."""
        known, record = head.known, self._record
        if b"x-forwarded-for" in known:
            record.client = client_address(self._client.peer, known[b"x-forwarded-for"], self._context.trusted)
        if given := trusted_request_id(known, head.options):
            record.request_id = given.decode("ascii")
