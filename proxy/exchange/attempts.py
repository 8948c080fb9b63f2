"""A request on its way to an upstream: sent as often as is harmless, until there is a response."""

from collections.abc import Awaitable
from typing import Final

from proxy.downstream.connection import ClientConnection
from proxy.errors import (
    BadResponse,
    ClientGone,
    ConnectFailed,
    ConnectTimeout,
    ProxyError,
    UpgradeRefused,
    UpstreamClosed,
    UpstreamError,
)
from proxy.exchange.context import WorkerContext
from proxy.exchange.copy_body import Upload
from proxy.http1 import writer
from proxy.http1.message import CHUNKED, NO_BODY, RequestHead, ResponseHead
from proxy.http1.parsing.body import EMPTY_BODY, Body
from proxy.policy.request_plan import Forward
from proxy.policy.response_fields import interim_response_fields, is_switch_to
from proxy.policy.retry import may_replay, may_retry
from proxy.policy.trailers import forwarded_trailers
from proxy.telemetry.record import ExchangeRecord
from proxy.transport.fiber import Fiber
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.origin import Origin
from proxy.upstream.service import Service

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Attempts:
    """One request's attempts: connections are leased, head and body sent, interim responses passed on.

    `upstream` is the connection that is leased now. Whoever ends the lease sets it to None; `end` aborts what is left.
    """

    __slots__ = (
        "_body",
        "_client",
        "_context",
        "_continue_sent",
        "_continue_sent_by_us",
        "_head",
        "_origin",
        "_record",
        "_replayable",
        "_response_read",
        "_service",
        "_status",
        "_upload",
        "_uploading",
        "upstream",
    )  # fmt: skip

    def __init__(
        self,
        context: WorkerContext,
        service: Service,
        client: ClientConnection,
        head: RequestHead,
        body: Body,
        record: ExchangeRecord,
    ) -> None:
        self._context = context
        self._service = service
        self._client = client
        self._head = head
        self._body = body
        self._record = record
        self.upstream: UpstreamConnection | None = None
        self._origin: Origin | None = None  # of the attempt under way, whose end the service has not been told
        self._status = 0  # of the final response
        self._upload: Upload | None = None
        self._uploading: Fiber | None = None
        self._replayable = True  # whether the body, if any, is still in our hands
        self._continue_sent = False  # the client was told to go on: by the upstream, or by us in its place
        self._continue_sent_by_us = False
        self._response_read = False

    @property
    def head(self) -> RequestHead:
        """The request as it was received, for balancing policies."""
        return self._head

    @property
    def client_address(self) -> str:
        """Who sent the request, for balancing policies."""
        return self._record.client

    @property
    def request_sent(self) -> bool:
        """Whether the last byte of the request has been written."""
        return self._upload is None or self._upload.sent_whole

    @property
    def upload_error(self) -> ProxyError | None:
        """Why the request's body stopped short, if it did: what the upstream's connection broke of, then."""
        return self._upload.error if self._upload is not None else None

    async def respond(self, request: bytes, forward: Forward) -> ResponseHead:
        """Send the request, whose head as bytes is `request`, and return the final response head, or the 101; interim
        ones have gone to the client.

        Raises UpstreamError, ClientGone, and BadRequest where the body that came with the head is broken already.
        Where `upload_error` is set, that is why.
        """
        arrived: list[bytes] = []
        body = self._body
        if body is not EMPTY_BODY:
            arrived = self._client.reader.body_bytes(body)
            self._replayable = body.complete and body.received_bytes <= self._context.replay_bytes
        fresh = False
        while True:
            origin = self._origin = self._service.choose(self)
            assert origin is not None  # nothing has been tried
            upstream = None if fresh else self._lease_idle(origin)
            if upstream is None:
                upstream = await self._lease(origin, fresh=fresh)
            try:
                self._send(upstream, request, arrived, forward)
                head = await self._read_head(upstream)
                if head.status < 200:
                    head = await self._pass_interim(head, upstream, forward)
            except UpstreamError as error:
                if (
                    fresh
                    or self.upload_error is not None
                    or self._client.stream.is_ended
                    or not isinstance(error, UpstreamClosed)
                    or not may_retry(
                        self._head.method,
                        reused=self._record.reused,
                        response_began=upstream.response_began,
                        body_replayable=self._replayable,
                    )
                ):
                    raise
                # The race with an upstream that closed an idle connection: lost without harm, so run again.
                upstream.stream.abort()
                self.upstream = None
                self._attempt_ended()
                fresh = True
            else:
                self._response_read = True
                self._status = head.status
                return head

    def abandon(self) -> None:
        """The client's connection broke: end the upstream's work too, which wakes whoever waits for it."""
        if self.upstream is not None:
            self.upstream.stream.abort()

    def end(self, error: ProxyError | None = None) -> None:
        """Stop what is still under way, for that reason if any, and tell the service. Twice does no harm."""
        self._response_read = True
        if self._uploading is not None:
            self._uploading.cancel()
        self.abandon()
        self._attempt_ended(error)

    def _attempt_ended(self, error: ProxyError | None = None) -> None:
        origin, self._origin = self._origin, None
        if origin is not None:
            self._service.finished(origin, self._status, error)

    def _lease_idle(self, origin: Origin) -> UpstreamConnection | None:
        """A connection that is open already, if the pool has one that this request may use."""
        replayable = may_replay(self._head.method, body_replayable=self._replayable)
        upstream = self._context.pool.lease_idle(origin, replayable=replayable)
        if upstream is not None:
            self.upstream = upstream
            record = self._record
            record.origin = origin.label
            record.reused = True
            record.attempts += 1
        return upstream

    async def _lease(self, origin: Origin, *, fresh: bool) -> UpstreamConnection:
        """A connection to this origin, or else to the next one: an idle one, or the first that can be opened."""
        tried: tuple[Origin, ...] = ()
        while True:
            upstream = self._lease_idle(origin) if tried and not fresh else None
            if upstream is not None:
                return upstream
            self._record.origin = origin.label
            self._record.reused = False
            self._record.attempts += 1
            try:
                upstream = self.upstream = await self._context.pool.lease_fresh(origin)
            except (ConnectFailed, ConnectTimeout) as error:
                # Nothing was sent, so any request may go to the next one.
                self._attempt_ended(error)
                tried = (*tried, origin)
                another = self._origin = self._service.choose(self, tried)
                if another is None:
                    raise
                origin = another
                continue
            if self._client.stream.is_ended:
                raise ClientGone("the client closed the connection before the request was sent")
            return upstream

    def _send(self, upstream: UpstreamConnection, request: bytes, arrived: list[bytes], forward: Forward) -> None:
        """Write head and body: at once where the body has arrived, else by an upload that runs beside the response."""
        if forward.framing is NO_BODY:
            upstream.stream.write(request)
            return
        body, f = self._body, self._context
        chunked = forward.framing is CHUNKED
        connection_options, rules = self._head.options, forward.route.request_fields
        upload = self._upload = Upload(
            self._client.stream,
            self._client.reader,
            body,
            upstream.stream,
            chunked=chunked,
            trailers=lambda lines: forwarded_trailers(lines, connection_options, rules),
            timeouts=f.timeouts,
            limits=f.limits,
            loop=f.loop,
            when_sent=self._when_sent,
        )
        upstream.stream.write(request)
        upload.pass_on(arrived)
        if not upload.sent_whole:
            if forward.expects_continue:
                self._context.loop.call_later(f.timeouts.continue_s, self._send_100_continue)
            self._uploading = Fiber(upload.run())
            self._uploading.resume()

    def _when_sent(self) -> None:
        """Only now can the upstream be expected to answer, or to go on with its answer."""
        upstream, timeouts, now = self.upstream, self._context.timeouts, self._context.loop.time()
        if upstream is None:
            return
        if self._response_read:
            upstream.stream.set_read_deadline(now + timeouts.response_body_idle_s)
        else:
            upstream.await_head(now + timeouts.response_head_s)

    def _read_head(self, upstream: UpstreamConnection) -> Awaitable[ResponseHead]:
        if self.request_sent:
            upstream.await_head(self._context.loop.time() + self._context.timeouts.response_head_s)
        # Else the body is on its way, and its own deadlines watch it: the upload starts this one at its end.
        return upstream.read_head(self._head.method)

    async def _pass_interim(self, head: ResponseHead, upstream: UpstreamConnection, forward: Forward) -> ResponseHead:
        """Pass on a 1xx and those that follow; return the final response head, or the 101 that was asked for."""
        f, client = self._context, self._client
        passed_on = 0
        while head.status < 200:
            if head.status == 101:
                if forward.upgrade is None or not is_switch_to(head, (forward.upgrade.lower(),)):
                    raise UpgradeRefused(f"{upstream.origin} switched protocols without being asked")
                return head
            if passed_on == f.limits.interim_responses:
                raise BadResponse("too many interim responses")
            passed_on += 1
            if head.status == 100 and self._continue_sent_by_us:
                self._continue_sent_by_us = False  # the client has it already, from us
            elif self._head.http_version >= b"1.1":
                self._continue_sent = self._continue_sent or head.status == 100
                fields = interim_response_fields(head)
                client.stream.write(writer.response_head(head.status, head.reason, fields))
                await client.wait_for_client()
            head = await self._read_head(upstream)
        return head

    def _send_100_continue(self) -> None:
        """The upstream keeps silent about `Expect: 100-continue`: ask for the body ourselves."""
        if not self._continue_sent and not self._response_read and not self.request_sent:
            self._continue_sent = self._continue_sent_by_us = True
            self._client.stream.write(_CONTINUE)
