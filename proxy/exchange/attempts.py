"""A request on its way to an upstream: sent as often as is harmless, until there is a response."""

from collections.abc import Awaitable
from functools import partial
from typing import Final

from proxy.errors import (
    ProxyError,
    RequestOverdue,
    RequestTimeout,
    ResponseTimeout,
    UpgradeRefused,
    UpstreamClosed,
    UpstreamError,
)
from proxy.exchange import states
from proxy.exchange.copy_body import BodySink, Trailers, write_all
from proxy.exchange.interim import InterimRate
from proxy.exchange.leasing import Leasing
from proxy.exchange.states import AWAITING_HEAD, RESPONDING, SENDING, Continue, UploadState
from proxy.exchange.upload import Upload
from proxy.http1 import writer
from proxy.http1.message import CHUNKED, ResponseHead
from proxy.policy.connection_auth import request_authenticates_connection, response_authenticates_connection
from proxy.policy.decisions import Decisions
from proxy.policy.keeping import GIVEN_UP, NOT_SENT
from proxy.policy.plans import Forward
from proxy.policy.response_fields import interim_response_fields, is_switch_to
from proxy.policy.retry import CLOSED_IDLE, RESET, RESPONSE_TIMEOUT, is_stale_reuse
from proxy.policy.stripped import stripped_from_response
from proxy.policy.trailers import forwarded_trailers
from proxy.telemetry.series import FROM_RESPONSE
from proxy.upstream.connection import STALLED
from proxy.upstream.pool import Lease

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Attempts(Leasing):
    """One request's attempts: connections are leased, head and body sent, interim responses passed on."""

    __slots__ = ()

    @property
    def request_sent(self) -> bool:
        """Whether the last byte of the request has been written."""
        return self._upload is None or self._upload.state is UploadState.SENT

    @property
    def is_uploading(self) -> bool:
        """Whether more of the request's body is on its way."""
        return self._upload is not None and self._upload.state is UploadState.SENDING

    async def end_upload(self) -> None:
        """The response is complete: let the upload end where it may, and say in the record where it did not."""
        upload, lease = self._upload, self.lease
        if upload is None or lease is None:
            return
        error = await upload.finish_after_response(lease.connection)
        if error is not None:
            error = self.ended_by or error
            self._record.failed(error)

    @property
    def upload_error(self) -> ProxyError | None:
        """Why the request's body failed, if it did. It is the cause where the upstream connection broke with it."""
        return self._upload.error if self._upload is not None else None

    async def respond(self, request: bytes, forward: Forward) -> ResponseHead:
        """Send the request, whose head as bytes is `request`, and return the final response head, or the 101; interim
        ones have gone to the client.

        Raises UpstreamError, ClientGone, and BadRequest where the body that came with the head is broken already.
        If `upload_error` is set, it is the cause.
        """
        arrived: list[bytes] = []
        if self.request_body is not None:
            arrived = self.request_body.arrived()
            body = self.request_body.body
            self._replayable = body.complete and body.received_bytes <= self._context.replay_bytes
        fresh = False
        waiting: Lease | None = None  # for a response, at an origin that has fallen silent: there is no other for it
        while True:
            lease = waiting
            if lease is None:
                self._state = states.CONNECTING
                if not fresh:
                    lease = self._lease_open()
                if lease is None:
                    lease = await self._lease_new(fresh=fresh)
                if self._record.trace is not None and self._record.earlier is not None:
                    request = self._record.trace.restate(request)
                if b"authorization" in self.head.known and request_authenticates_connection(self.head):
                    self.keep_for_client()
            try:
                if waiting is None:
                    self._send(lease, request, arrived, forward)
                    if not self._replayable:
                        arrived = []  # up to 250 KiB, otherwise held until the service has answered
                    head = await self._read_head(lease)
                else:
                    waiting = None
                    head = await lease.connection.read_head(self.head.method)
                if head.status < 200:
                    head = await self._pass_interim(head, lease, forward)
            except (UpstreamClosed, ResponseTimeout) as error:
                if self.upload_error is not None or self.ended_by is not None or self._client.is_gone:
                    raise
                if isinstance(error, UpstreamClosed) and is_stale_reuse(
                    reused=lease.reused,
                    response_began=lease.connection.response_began,
                    repeatable=self._replayable and self.head.method in self.service.repeatable,
                ):
                    # The upstream closed an idle connection just as it was taken: nothing was acted on, so this is the
                    # same attempt, on a new one.
                    self._record.note_retry(error.code, CLOSED_IDLE, error.proxy_status)
                    fresh = True
                elif not self._retry(
                    RESET if isinstance(error, UpstreamClosed) else RESPONSE_TIMEOUT, error.code, error
                ):
                    if error.code != STALLED:
                        raise
                    waiting = lease
                    continue
                self._give_up(lease)
            else:
                if self._record.seen is not None:
                    self._record.seen.answered()
                if self.service.awaited_trials and self._origin is not None:
                    self.service.responded(self._origin, head.status)
                if head.status in self.service.retried_statuses and self._retry_status(head.status, lease):
                    continue
                self._state = RESPONDING
                self._status = head.status
                if head.status == 401 and response_authenticates_connection(head):
                    self.keep_for_client()
                return head

    def _retry_status(self, status: int, lease: Lease) -> bool:
        """Whether another attempt is made in place of this response, of which nothing goes on then."""
        if not self.request_sent or self._client.is_gone:
            return False
        self._status = status
        if not self._retry(str(status), str(status)):
            return False
        keeping = lease.discard_response()
        if self._record.seen is not None:
            self._record.seen.released(keeping)
        return True

    def _give_up(self, lease: Lease) -> None:
        if self._record.seen is not None:
            self._record.seen.released(GIVEN_UP)
        lease.end()  # a fiber that waits for it may run to the end of the exchange before this returns

    def abandon(self, error: ProxyError) -> None:
        """End the upstream's work for this reason. The fibers that wait for it are resumed, some of them before this
        returns."""
        self.ended_by = error
        if self.lease is not None:
            self._give_up(self.lease)
        if self._opening is not None:
            self._opening.interrupt(error)
        elif self._upload is not None and isinstance(error, RequestOverdue):
            self._upload.stop()  # a client that is gone ends its upload itself, and says how

    def end(self, error: ProxyError | None = None) -> None:
        """Stop what is still under way, for that reason if any, and tell the service. Twice does no harm."""
        self._state = states.ENDED
        if self._upload is not None:
            self._upload.stop()
        if self.lease is not None and not self.lease.ended:
            self._give_up(self.lease)
        origin = self._origin
        if origin is not None:
            self._origin = None
            self.service.finished(origin, self._status, error)

    # -- sending -------------------------------------------------------------------------------------------------

    def _send(self, lease: Lease, request: bytes, arrived: list[bytes], forward: Forward) -> None:
        """Write head and body: at once where the body has arrived, else by an upload that runs beside the response."""
        upstream = lease.connection
        if upstream.limits is not self._client.limits:
            upstream.use(self._client.limits)
        source = self.request_body
        if source is None:
            self._state = AWAITING_HEAD
            upstream.stream.write(request)
            return
        if source.body.complete and forward.framing is not CHUNKED:  # a small form, say: nothing is left to copy
            self._state = AWAITING_HEAD
            write_all(upstream.stream, [request, *arrived])
            return
        self._state = SENDING
        idle_s = self._client.timeouts.request_body_idle_s
        rules = forward.route.request_fields
        trailers: Trailers = partial(
            forwarded_trailers,
            connection_options=self.head.options,
            rules=rules,
            drop_underscores=self._context.settings.drop_underscores,
        )
        if self._record.seen is not None:
            trailers = self._record.seen.watch_trailers("request", trailers)
        sink = BodySink(
            upstream.stream,
            chunked=forward.framing is CHUNKED,
            trailers=trailers,
            wait=partial(upstream.wait_writable, idle_s),
        )
        self._upload = Upload(source, sink, self._upload_ended)
        if forward.expects_continue and not source.body.complete:
            patience_s = self._client.timeouts.continue_s
            self._upload.await_100(self._context.loop.call_later(patience_s, self._send_100_continue))
        self._upload.start(request, arrived, self._request_body_deadline)

    def _request_body_deadline(self) -> float:
        return self._context.loop.time() + self._client.timeouts.request_body_idle_s

    def _upload_ended(self) -> None:
        """The body has ended: from now on, the upstream's time to answer, or to go on with its answer, runs."""
        lease, timeouts, now = self.lease, self._client.timeouts, self._context.loop.time()
        assert lease is not None
        if self.upload_error is not None and not (
            self._state is RESPONDING and isinstance(self.upload_error, UpstreamError | RequestTimeout)
        ):
            if self._record.seen is not None:
                self._record.seen.released(NOT_SENT)
            lease.end()  # half a request must not look whole; this also ends the wait for the response
        elif self._state is RESPONDING:
            lease.connection.stream.set_read_deadline(now + timeouts.response_body_idle_s)
        elif self._state is SENDING:
            self._state = AWAITING_HEAD
            lease.connection.await_head(now + timeouts.response_head_s)

    def _send_100_continue(self) -> None:
        """The upstream keeps silent about `Expect: 100-continue`: ask for the body ourselves."""
        if self._upload is not None and self._state is SENDING and self._upload.expectation is Continue.AWAITED:
            self._upload.sent_100()
            self._client.stream.write(_CONTINUE)
            if self._record.seen is not None:
                self._record.seen.answer(100, b"Continue", [])

    # -- awaiting the response -----------------------------------------------------------------------------------

    def _read_head(self, lease: Lease) -> Awaitable[ResponseHead]:
        if self._state is AWAITING_HEAD:
            lease.connection.head_deadline = self._context.loop.time() + self._client.timeouts.response_head_s
        # Else the body is on its way, and its own deadlines watch it: the upload starts this one at its end.
        return lease.connection.read_head(self.head.method)

    async def _pass_interim(self, head: ResponseHead, lease: Lease, forward: Forward) -> ResponseHead:
        """Pass on a 1xx and those that follow; return the final response head, or the 101 that was asked for."""
        client, loop = self._client, self._context.loop
        rate = InterimRate(client.limits, loop.time())
        while head.status < 200:
            if head.status == 101:
                await self._agree_to_switch(head, lease, forward)
                return head
            rate.add(head, loop.time())
            is_second = head.status == 100 and self._upload is not None and not self._upload.first_100()
            if self.head.http_version >= b"1.1" and not is_second:
                seen = self._record.seen
                decisions = None if seen is None else Decisions()
                fields = interim_response_fields(head, decisions)
                if decisions is not None and seen is not None:
                    seen.response(head, fields.lines(), decisions)
                self._record.note_stripped(FROM_RESPONSE, stripped_from_response(head))
                client.stream.write(writer.response_head(head.status, head.reason, fields))
                await client.wait_for_client()
            head = await self._read_head(lease)
        return head

    async def _agree_to_switch(self, head: ResponseHead, lease: Lease, forward: Forward) -> None:
        """Return once the connection may switch protocols: the client cannot before it has sent its whole request, and
        what it has still to send belongs to that request (RFC 9110 §7.8). Raises UpgradeRefused for a 101 that nobody
        asked for, and what the upload raised."""
        if forward.upgrade is None or not is_switch_to(head, (forward.upgrade.lower(),)):
            raise UpgradeRefused(f"{lease.connection.origin} switched protocols without being asked")
        if self._upload is not None and not self.request_sent:
            await self._upload.join()
            if not self.request_sent:
                raise UpstreamClosed(f"{lease.connection.origin} closed the connection within an upgrade's request")
