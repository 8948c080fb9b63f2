"""One request from head to outcome: the straight line, and the retry loop.

The only place, with `relay` and `tunnel`, that sees both the client and the upstream.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from proxy.errors import (
    BadRequest,
    BadResponse,
    ClientGone,
    ConnectFailed,
    ConnectTimeout,
    InternalError,
    LoopDetected,
    NoRoute,
    ProxyError,
    UpgradeRefused,
    UpstreamClosed,
    UpstreamError,
)
from proxy.http1 import writer
from proxy.http1.fields import Fields, tokens
from proxy.http1.framing import outgoing_response_framing, request_framing
from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, BodyFraming, FixedLength, RequestHead, ResponseHead
from proxy.http1.persistence import persists
from proxy.http1.reader import EMPTY_BODY, Body
from proxy.http1.screening import max_forwards
from proxy.http1.target import request_target
from proxy.net.balancer import Balancer
from proxy.net.downstream import ClientConnection
from proxy.net.fiber import Fiber
from proxy.net.origin import Origin
from proxy.net.outcome import Outcome
from proxy.net.pool import Pool
from proxy.net.relay import Upload, write_all
from proxy.net.settings import Limits, Timeouts
from proxy.net.tunnel import Tunnel
from proxy.net.upstream import UpstreamConnection
from proxy.policy import forwarding
from proxy.policy.answers import Answer, error_answer, options_answer, trace_answer
from proxy.policy.intent import Intent, read_intent, went_through
from proxy.policy.retry import may_replay, may_retry
from proxy.policy.routing import Route, RoutingTable
from proxy.policy.trust import Network, client_address

#: Told of a request before it is stripped.
Observe: TypeAlias = Callable[[RequestHead, ClientConnection, Intent], None]

_REQUEST_ID_BYTES = 128
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facilities:
    """What every exchange of a worker shares."""

    loop: asyncio.AbstractEventLoop  # asking asyncio for it costs a system call each time, before Python 3.12
    pool: Pool
    routes: RoutingTable
    balancers: Mapping[str, Balancer]
    timeouts: Timeouts
    limits: Limits
    replay_bytes: int
    upgrades: frozenset[bytes]
    trusted: tuple[Network, ...]
    next_request_id: Callable[[], str]
    http_date: Callable[[], bytes]
    report: Callable[[Outcome], None]
    observe: Observe | None = None  # None costs nothing


class Exchange:
    """One request and its response."""

    __slots__ = (
        "_body", "_client", "_f", "_head", "_invited", "_loop", "_outcome", "_replayable",
        "_response_began", "_upload", "_uploading", "_upstream",
    )  # fmt: skip

    def __init__(self, facilities: Facilities, client: ClientConnection, head: RequestHead, started: float) -> None:
        self._f = facilities
        self._client = client
        self._head = head
        self._loop = facilities.loop
        request_id = facilities.next_request_id()
        self._outcome = Outcome(client.peer, started, request_id, head.method, head.target, head.http_version)
        if client.hop.trusted:
            self._believe(head)
        self._body: Body = EMPTY_BODY
        self._upstream: UpstreamConnection | None = None
        self._upload: Upload | None = None
        self._uploading: Fiber | None = None
        self._replayable = True  # whether the body, if any, is still in our hands
        self._response_began = False
        self._invited = False

    async def run(self) -> bool:
        """Carry the exchange to its end, and report its outcome. Returns whether the client's connection goes on."""
        client, outcome = self._client, self._outcome
        client.abandon = self._abandon
        try:
            return await self._forward()
        except ProxyError as error:
            return await self._answer_error(error)
        except asyncio.CancelledError:
            outcome.error, outcome.detail = "cancelled", "the worker ended first"
            client.stream.abort()
            raise
        except Exception as exc:  # a defect of ours costs its own exchange, is logged, and costs no other
            return await self._answer_error(InternalError(f"{type(exc).__name__}: {exc}"))
        finally:
            client.abandon = None
            if self._uploading is not None:
                self._uploading.cancel()
            if self._upstream is not None:
                self._upstream.stream.abort()
            if self._body is not EMPTY_BODY:
                outcome.request_bytes = self._body.received_bytes
            self._f.report(outcome)

    # -- the straight line ---------------------------------------------------------------------------------------

    async def _forward(self) -> bool:
        head, client, f, outcome = self._head, self._client, self._f, self._outcome
        known = head.known
        # 1. Read the semantics first: all of it may stand in fields that are about to be stripped.
        framing = request_framing(head)
        if framing is not NO_BODY:
            self._begin_body(framing)
        target = request_target(head)
        if went_through(known, client.hop.pseudonym):
            raise LoopDetected("this request has been through this proxy before")
        if b"max-forwards" in known and max_forwards(head) == 0:
            return await self._answer_here()
        route = f.routes.match(target.authority, target.origin_form)
        if route is None:
            raise NoRoute("no route for this host and path")
        outcome.route = route.name
        balancer = f.balancers[route.upstream]
        intent = read_intent(
            head,
            target,
            framing,
            host=balancer.host or target.authority or balancer.authority,
            request_id=outcome.request_id.encode(),
            upgrades=f.upgrades,
        )
        # 2. Strip, then state.
        if f.observe is not None:
            f.observe(head, client, intent)
        lines = forwarding.upstream_request(head, client.hop, intent, route.request_fields)
        request = writer.request_head(head.method, target.origin_form, lines)
        # 3. Send it, as often as is harmless, until there is a response.
        response = await self._respond(request, intent, balancer)
        upstream = self._upstream
        assert upstream is not None
        if response.status == 101:
            return await self._tunnel(response, intent, upstream)
        return await self._relay_response(response, intent, upstream, route)

    def _begin_body(self, framing: BodyFraming) -> None:
        """Raises BadRequest 413 where the head already says that the body is too large."""
        self._body = self._client.reader.body(framing)
        limit = self._f.limits.request_body_bytes
        if limit and isinstance(framing, FixedLength) and framing.length > limit:
            raise BadRequest(f"request body over {limit} bytes", status=413, code="body_too_large")

    async def _respond(self, request: bytes, intent: Intent, balancer: Balancer) -> ResponseHead:
        """Send the request, and return the final response head, or the 101; interim ones have gone to the client."""
        arrived = self._client.reader.body_bytes(self._body)
        self._replayable = self._body.complete and self._body.received_bytes <= self._f.replay_bytes
        fresh = False
        while True:
            origins = balancer.order()
            upstream = None if fresh else self._lease_idle(origins[0])
            if upstream is None:
                upstream = await self._lease(origins, fresh=fresh)
            try:
                self._send(upstream, request, arrived, intent)
                if self._upload is None or self._upload.sent_whole:
                    upstream.await_head(self._loop.time() + self._f.timeouts.response_head_s)
                # Else the body is on its way, and its own deadlines watch it: the upload starts this one at its end.
                head = await upstream.read_head(self._head.method)
                return head if head.status >= 200 else await self._pass_interim(head, upstream, intent)
            except UpstreamError as error:
                if self._upload is not None and self._upload.error is not None:
                    raise self._upload.error from error
                if (
                    fresh
                    or self._client.stream.is_ended
                    or not isinstance(error, UpstreamClosed)
                    or not may_retry(
                        self._head.method,
                        reused=self._outcome.reused,
                        response_began=upstream.response_began,
                        body_replayable=self._replayable,
                    )
                ):
                    raise
                # The race with an upstream that closed an idle connection: lost without harm, so run again.
                upstream.stream.abort()
                self._upstream = None
                fresh = True

    def _lease_idle(self, origin: Origin) -> UpstreamConnection | None:
        """A connection that is open already, if the pool has one that this request may use."""
        replayable = may_replay(self._head.method, body_replayable=self._replayable)
        upstream = self._f.pool.lease_idle(origin, replayable=replayable)
        if upstream is not None:
            self._upstream = upstream
            outcome = self._outcome
            outcome.origin = origin
            outcome.reused = True
            outcome.attempts += 1
        return upstream

    async def _lease(self, origins: list[Origin], *, fresh: bool) -> UpstreamConnection:
        """A connection to one of the origins: an idle one, or the first that can be opened."""
        for origin in origins:
            upstream = None if fresh else self._lease_idle(origin)
            if upstream is not None:
                return upstream
            self._outcome.origin = origin
            self._outcome.reused = False
            self._outcome.attempts += 1
            try:
                upstream = self._upstream = await self._f.pool.lease_fresh(origin)
            except (ConnectFailed, ConnectTimeout):
                # Nothing was sent, so any request may go to the next one.
                if origin is origins[-1]:
                    raise
                continue
            if self._client.stream.is_ended:
                raise ClientGone("the client closed the connection before the request was sent")
            return upstream
        raise AssertionError("an upstream has at least one origin")

    def _send(self, upstream: UpstreamConnection, request: bytes, arrived: list[bytes], intent: Intent) -> None:
        """Write head and body: at once where the body has arrived, else by an upload that runs beside the response."""
        if intent.framing is NO_BODY:
            upstream.stream.write(request)
            return
        body, f = self._body, self._f
        chunked = intent.framing is CHUNKED
        connection_options = self._head.options
        upload = self._upload = Upload(
            self._client.stream,
            self._client.reader,
            body,
            upstream.stream,
            chunked=chunked,
            trailers=lambda lines: forwarding.trailers(lines, connection_options),
            timeouts=f.timeouts,
            limits=f.limits,
            loop=f.loop,
            when_sent=upstream.await_head,
        )
        upstream.stream.write(request)
        upload.pass_on(arrived)
        if not upload.sent_whole:
            if intent.expects_continue:
                self._loop.call_later(f.timeouts.continue_s, self._invite)
            self._uploading = Fiber(upload.run())
            self._uploading.resume()

    async def _pass_interim(self, head: ResponseHead, upstream: UpstreamConnection, intent: Intent) -> ResponseHead:
        """Pass on a 1xx and those that follow; return the final response head, or the 101 that was asked for."""
        f, client = self._f, self._client
        for _ in range(f.limits.interim_responses):
            if head.status >= 200:
                return head
            if head.status == 101:
                offered = tokens(head.known.get(b"upgrade", ()))
                if intent.upgrade is None or offered != [intent.upgrade] or b"upgrade" not in head.options:
                    raise UpgradeRefused(f"{upstream.origin} switched protocols without being asked")
                return head
            if self._head.http_version >= b"1.1" and not (head.status == 100 and self._invited):
                self._invited = self._invited or head.status == 100
                fields = forwarding.interim_response(head)
                client.stream.write(writer.response_head(head.status, head.reason, fields))
                await client.drain_writes()
            if self._upload is None or self._upload.sent_whole:
                upstream.await_head(self._loop.time() + f.timeouts.response_head_s)
            head = await upstream.read_head(self._head.method)
        raise BadResponse("too many interim responses")

    async def _relay_response(
        self, head: ResponseHead, intent: Intent, upstream: UpstreamConnection, route: Route
    ) -> bool:
        client, outcome, f = self._client, self._outcome, self._f
        request = self._head
        framing = outgoing_response_framing(upstream.framing, request.http_version)
        request_sent = self._upload is None or self._upload.sent_whole
        stays_open = (
            request_sent
            and not client.draining
            and framing is not UNTIL_CLOSE
            and persists(request.http_version, request.options)
        )
        connection = None
        if not stays_open:
            connection = b"close"
        elif request.http_version < b"1.1":
            connection = b"keep-alive"
        chunked = framing is CHUNKED
        lines = forwarding.downstream_response(
            head, client.hop, framing, f.http_date(), connection, route.response_fields,
            with_trailers=intent.wants_trailers,
        )  # fmt: skip
        outcome.status = head.status
        pieces = upstream.ready()
        self._response_began = True
        out = [writer.response_head(head.status, head.reason, lines)]
        body = upstream.body
        while True:
            out += writer.chunks(pieces) if chunked else pieces
            if body.complete and chunked:
                out.append(writer.last_chunk(self._response_trailers(head, body, intent)))
            if out:
                write_all(client.stream, out)
            outcome.response_bytes = body.received_bytes
            if body.complete:
                break
            if client.stream.must_drain():
                await client.drain_writes()
            pieces = await upstream.read_body(self._loop.time() + f.timeouts.response_body_idle_s)
            out = []
        self._upstream = None
        f.pool.give_back(upstream, request_complete=self._upload is None or self._upload.sent_whole)
        if client.stream.must_drain():
            await client.drain_writes()
        if stays_open:
            return True
        # A client that did not ask for the close may have its next request on the way (RFC 9112 §9.6).
        client.must_linger = not request_sent or persists(request.http_version, request.options)
        return False

    def _response_trailers(self, head: ResponseHead, body: Body, intent: Intent) -> Fields:
        if not intent.wants_trailers or not body.trailers:
            return []
        return forwarding.trailers(body.trailers, head.options)

    async def _tunnel(self, head: ResponseHead, intent: Intent, upstream: UpstreamConnection) -> bool:
        client, outcome = self._client, self._outcome
        assert intent.upgrade is not None
        fields = forwarding.switching_response(head, client.hop, intent.upgrade)
        outcome.status = 101
        self._response_began = True
        client.stream.write(writer.response_head(101, head.reason, fields))
        tunnel = Tunnel(client.stream, upstream.stream, self._f.timeouts.tunnel_idle_s)
        try:
            await tunnel.run(client.reader.take_unread(), upstream.take_unread())
        finally:
            outcome.request_bytes, outcome.response_bytes = tunnel.bytes_up, tunnel.bytes_down
            self._body = EMPTY_BODY
        upstream.stream.close()
        self._upstream = None
        return False

    # -- answers of our own --------------------------------------------------------------------------------------

    async def _answer_here(self) -> bool:
        """OPTIONS or TRACE whose `Max-Forwards` ends here (RFC 9110 §7.6.2)."""
        head = self._head
        if head.method == b"OPTIONS":
            return await self._answer(options_answer(), keep_open=True)
        return await self._answer(trace_answer(head.method, head.target, head.fields), keep_open=True)

    async def _answer_error(self, error: ProxyError) -> bool:
        """Tell the client what went wrong, or cut the transfer where a response has begun: never a clean end."""
        client, outcome = self._client, self._outcome
        if client.stream.is_ended and not isinstance(error, ClientGone):
            error = ClientGone("the client closed the connection")
        outcome.error, outcome.detail = error.code, error.detail
        if self._uploading is not None:
            self._uploading.cancel()
        if isinstance(error, ClientGone):
            if not outcome.status:
                outcome.status = 499
            client.stream.abort()
            return False
        if self._response_began:
            client.stream.reset()
            return False
        answer = error_answer(
            error,
            [value for name, value in self._head.fields if name.lower() == b"accept"],
            pseudonym=client.hop.pseudonym,
            request_id=outcome.request_id,
        )
        try:
            return await self._answer(answer, keep_open=not isinstance(error, BadRequest | InternalError))
        except ClientGone:
            client.stream.abort()
            return False

    async def _answer(self, answer: Answer, *, keep_open: bool) -> bool:
        """Send a complete answer. The connection goes on only where no byte of this request can still come."""
        head, client = self._head, self._client
        stays_open = (
            keep_open and self._body.complete and not client.draining and persists(head.http_version, head.options)
        )
        connection = b"close"
        if stays_open:
            connection = b"keep-alive" if head.http_version < b"1.1" else b""
        await client.write_answer(
            answer,
            method=head.method,
            date=self._f.http_date(),
            connection=connection or None,
            outcome=self._outcome,
        )
        client.must_linger = not stays_open
        return stays_open

    # -- details -------------------------------------------------------------------------------------------------

    def _believe(self, head: RequestHead) -> None:
        """Take a trusted peer's word for who the client is, and for the request's id."""
        known, outcome = head.known, self._outcome
        if b"x-forwarded-for" in known:
            outcome.client = client_address(self._client.peer, known[b"x-forwarded-for"], self._f.trusted)
        given = known.get(b"x-request-id", [b""])[0]
        if 0 < len(given) <= _REQUEST_ID_BYTES and given.isascii():
            outcome.request_id = given.decode("ascii")

    def _invite(self) -> None:
        """The upstream keeps silent about `Expect: 100-continue`: ask for the body ourselves."""
        if not self._invited and not self._response_began and not self._outcome.status:
            self._invited = True
            self._client.stream.write(_CONTINUE)

    def _abandon(self) -> None:
        """The client's connection broke: end the upstream's work too, which wakes whoever waits for it."""
        if self._upstream is not None:
            self._upstream.stream.abort()
