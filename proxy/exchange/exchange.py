"""One request from head to log record: the straight line.

The only place, with the modules beside it, that sees both the client and the upstream.
"""

import asyncio
from collections.abc import Awaitable
from functools import partial
from time import monotonic

from proxy.downstream.connection import ClientConnection
from proxy.downstream.phases import DELIVERING, Ending
from proxy.errors import InternalError, ProxyError
from proxy.exchange.admission import admit
from proxy.exchange.answering import Answering
from proxy.exchange.attempts import Attempts
from proxy.exchange.context import WorkerContext
from proxy.exchange.copy_body import BodySink, Trailers, copy_body, framed, write_all
from proxy.exchange.explained import explain
from proxy.exchange.mirror import mirror
from proxy.exchange.tunnel import Tunnel, TunnelEnd
from proxy.exchange.upload import RequestBody
from proxy.http1 import writer
from proxy.http1.framing import outgoing_response_framing
from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, BodyFraming, RequestHead, ResponseHead
from proxy.http1.persistence import persists
from proxy.http1.section import Outgoing, outgoing
from proxy.policy import keeping
from proxy.policy.decisions import Decisions
from proxy.policy.local_responses import LocalResponse
from proxy.policy.plans import Forward
from proxy.policy.request_plan import plan
from proxy.policy.response_fields import final_response_fields, switching_response_fields
from proxy.policy.stripped import stripped_from_trailers
from proxy.policy.stripping import STATED
from proxy.policy.trailers import forwarded_trailers
from proxy.telemetry.seen import BY_AUTH_SERVICE
from proxy.telemetry.series import FROM_REQUEST, FROM_RESPONSE
from proxy.transport.deadlines import NEVER
from proxy.upstream.pool import Lease


class Exchanges:
    """Runs the exchanges of a worker."""

    __slots__ = ("_context",)

    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    def run(self, client: ClientConnection, head: RequestHead, started: float) -> Awaitable[bool]:
        """Run one, from its request head on; `started` is monotonic time. The result says whether the client's
        connection stays open for another request."""
        return Exchange(self._context, client, head, started).run()


class Exchange(Answering):
    """One request and its response."""

    __slots__ = ()

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
            if record.seen is not None:
                record.seen.client = keeping.STOPPED
            record.response_bytes = max(0, record.response_bytes - client.stream.untaken_bytes())
            raise
        except Exception as exc:  # a defect of ours costs its own exchange, is logged, and costs no other
            return await self._answer_error(InternalError.from_defect(exc))
        finally:
            if self._attempts is not None:
                self._attempts.end()
            if self._request_body is not None:
                body = self._request_body.body
                record.request_bytes = body.received_bytes
                if body.trailers and self._attempts is not None:
                    record.note_stripped(FROM_REQUEST, stripped_from_trailers(body.trailers, self._head.options))
                if self._request_body.copy is not None:
                    self._request_body.copy.drop()
            if self._context.events.ended is not None:
                record.ended = monotonic()
                self._context.events.ended(record)

    # -- the straight line ---------------------------------------------------------------------------------------

    async def _forward(self) -> bool:
        head, client, context, record = self._head, self._client, self._context, self._record
        # 1. Decide what becomes of it.
        decisions = None if record.seen is None else Decisions()
        traced = None if record.trace is None else record.trace.stated
        request_id = record.request_id.encode()
        decided = plan(head, client.identity, context.routes, context.settings, request_id, decisions, traced)
        if not isinstance(decided, Forward):
            return await self._end_here(decided)
        route = self._route = decided.route
        record.route = route.name
        if route.timeouts is not client.timeouts or route.limits is not client.limits:
            self._apply_settings(route)
        if decided.framing is not NO_BODY:
            self._request_body = RequestBody(client, decided.framing, client.limits)
        if route.access is not None:
            admitted = await admit(route, context, client, head, record)
            if isinstance(admitted, LocalResponse):
                return await self._answer(admitted, keep_open=True)
            decided.fields.extend(admitted)
            if decisions is not None:
                decisions.decide_all(admitted, BY_AUTH_SERVICE)
        if decisions is not None and record.seen is not None:
            record.seen.request(head, decided.target, decided.fields, decisions)
            if context.observe is not None:
                context.observe(record)
        if route.mirror is not None:
            mirror(route.mirror, context, client, head, decided, self._request_body, record)
        if record.trace is not None:
            record.trace.begin_attempts(decided.target)
        request = writer.request_head(head.method, decided.target, decided.fields, decided.kept)
        head.arrived = decided.kept = None
        service = context.services[decided.upstream]
        record.service = service.name
        # 2. Send it, as often as is harmless, until there is a response.
        attempts = self._attempts = Attempts(context, service, client, head, record, self._request_body)
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
        request_sent = self._request_body is None or attempts.request_sent
        if not request_sent:
            kept = keeping.UPLOAD_UNFINISHED
        elif client.says_close:
            kept = keeping.LEAVING
        elif framing is UNTIL_CLOSE:
            kept = keeping.DELIMITS
        elif not persists(request.http_version, request.options):
            kept = keeping.NOT_ASKED
        else:
            kept = keeping.CLIENT_KEPT
        stays_open = kept is keeping.CLIENT_KEPT
        connection = None
        if not stays_open:
            connection = b"close"
        elif request.http_version < b"1.1":
            connection = b"keep-alive"
        decisions = None if record.seen is None else Decisions()
        fields = final_response_fields(
            head, context.settings, framing, context.http_date, connection, forward.route.response_fields, decisions,
            forward.wants_trailers, forward.route.upgrades, forward.way_back,
        )  # fmt: skip
        record.status = head.status
        if attempts.service.is_sticky or record.earlier is not None:
            fields = self._with_attempts(attempts, fields, decisions)
        if decisions is not None and context.explaining is not None:
            lines = fields.lines()
            explain(context.explaining, record, lines, b"HTTP/%b %d" % (head.http_version, head.status), decisions)
            fields = outgoing(lines)
        trailers: Trailers | None = None
        if forward.wants_trailers:
            rules = forward.route.response_fields
            trailers = partial(forwarded_trailers, connection_options=head.options, rules=rules)
            if record.seen is not None:
                trailers = record.seen.watch_trailers("response", trailers)
        chunked = framing is CHUNKED
        pieces, body = upstream.arrived(), upstream.body
        if decisions is not None and record.seen is not None:  # not before: a body that begins broken is a 502 instead
            record.seen.response(head, fields.lines(), decisions)
            record.seen.client = kept
        self._response_begins(framing)
        first = [writer.response_head(head.status, head.reason, fields)]
        first += framed(pieces, body, chunked=chunked, trailers=trailers) if chunked else pieces
        write_all(client.stream, first)
        try:
            if not body.complete:
                del pieces, first, fields  # up to 250 KiB, for as long as the client takes
                head.arrived = None
                sink = BodySink(client.stream, chunked=chunked, trailers=trailers, wait=client.wait_for_client)
                await copy_body(upstream, sink, self._response_body_deadline)
        finally:
            record.response_bytes = body.received_bytes
        if trailers is not None and body.trailers:
            record.note_stripped(FROM_RESPONSE, stripped_from_trailers(body.trailers, head.options))
        if not request_sent:
            client.stream.end_writing()  # it was told close: only the rest of its upload is still waited for
            await attempts.end_upload()
            request_sent = attempts.request_sent
        given_back = lease.give_back(request_sent)
        if record.seen is not None:
            record.seen.released(given_back)
        if client.stream.must_drain():
            client.phase = DELIVERING
            await client.wait_for_client()
        if stays_open:
            return True
        # The rest of its body, its next request or a stray CRLF may be on the way (RFC 9112 §9.6).
        client.ending = Ending.LINGER
        return False

    def _with_attempts(self, attempts: Attempts, fields: Outgoing, decisions: Decisions | None) -> Outgoing:
        """The fields, and those about the attempts: the origin's cookie, earlier failures."""
        stated = attempts.stated()
        if decisions is not None:
            decisions.decide_all(stated, STATED)
        return Outgoing(fields.kept, fields.stated + stated)

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
        return self._context.loop.time() + self._client.timeouts.response_body_idle_s

    async def _tunnel(self, head: ResponseHead, forward: Forward, attempts: Attempts, lease: Lease) -> None:
        client, record, upstream = self._client, self._record, lease.connection
        assert forward.upgrade is not None
        decisions = None if record.seen is None else Decisions()
        fields = switching_response_fields(head, self._context.settings, forward.upgrade, decisions)
        if attempts.service.is_sticky or record.earlier is not None:
            fields = self._with_attempts(attempts, fields, decisions)
        if decisions is not None and record.seen is not None:
            lines = fields.lines()
            if self._context.explaining is not None:
                explain(self._context.explaining, record, lines, b"HTTP/1.1 101", decisions)
                fields = outgoing(lines)
            record.seen.response(head, lines, decisions)
            record.seen.client = keeping.TUNNELLED
        record.status = 101
        self._response_begins(UNTIL_CLOSE)
        client.stream.write(writer.response_head(101, head.reason, fields))
        client.begin_tunnel()
        timeouts = self._client.timeouts
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
        if record.seen is not None:
            record.seen.released(keeping.TUNNELLED)
        client.ending = Ending.LINGER
