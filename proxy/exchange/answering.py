"""How an exchange begins, and answers of our own to it: responses that the plan calls for, and errors."""

import msgspec

from proxy.downstream.connection import CLIENT_CLOSED, ClientConnection
from proxy.downstream.phases import Ending
from proxy.downstream.respond import write_answer
from proxy.errors import BadRequest, ClientGone, InternalError, ProxyError, RequestOverdue, UpstreamError
from proxy.exchange.admission import admit
from proxy.exchange.attempts import Attempts
from proxy.exchange.context import WorkerContext
from proxy.exchange.explained import explain
from proxy.exchange.upload import RequestBody
from proxy.http1.fields import X_FORWARDED_NAMES
from proxy.http1.framing import request_framing
from proxy.http1.message import NO_BODY, UNTIL_CLOSE, BodyFraming, RequestHead
from proxy.http1.parsing.body import EMPTY_BODY
from proxy.http1.persistence import persists
from proxy.policy import keeping
from proxy.policy.decisions import Decisions
from proxy.policy.explaining import Explaining
from proxy.policy.forwarded import client_address, is_from_this_machine, plain_address, trusted_request_id
from proxy.policy.local_responses import LocalResponse, error_response
from proxy.policy.plans import Refused
from proxy.policy.route import Route
from proxy.policy.stripping import STATED
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.seen import Seen


class Answering:
    """The part of an exchange that begins it, and that answers by itself."""

    __slots__ = ("_attempts", "_client", "_context", "_head", "_record", "_request_body", "_response_framing", "_route")

    def __init__(self, context: WorkerContext, client: ClientConnection, head: RequestHead, started: float) -> None:
        """One is made per request: so all attributes, those of `Exchange` included, are set by one call."""
        record = ExchangeRecord(
            client.peer,
            started,
            context.next_request_id(),
            head.method,
            head.target,
            head.http_version,
            head.fields,
            head,
        )
        self._context = context
        self._client = client
        self._head = head
        self._record = record
        self._route: Route | None = None  # that the request matched
        self._request_body: RequestBody | None = None
        self._attempts: Attempts | None = None
        self._response_framing: BodyFraming | None = None  # to the client, once its head has been written
        if context.look is not None:
            record.seen = context.look(started)
        if context.sampling is not None:
            record.trace = context.sampling.begin(head, client.identity)
        if client.identity.trusted:
            self._apply_trusted_headers(head)
        elif X_FORWARDED_NAMES in head.known:
            context.warn_x_forwarded_dropped(client.peer)
        if context.explaining is not None and context.explaining.is_asked(head.fields, record.client):
            record.seen = record.seen or Seen()
            record.seen.is_told = True
        if context.events.began is not None:
            context.events.began(record)

    def _apply_trusted_headers(self, head: RequestHead) -> None:
        """Use the client's address and the request's id as a trusted peer states them."""
        known, record = head.known, self._record
        record.trusted = True
        if b"x-forwarded-for" in known:
            walk = None if record.seen is None else record.seen.walk
            record.client = client_address(self._client.peer, known[b"x-forwarded-for"], self._context.trusted, walk)
        if given := trusted_request_id(known, head.options):
            record.request_id = given.decode("ascii")

    def _apply_settings(self, settings: Route | WorkerContext) -> None:
        """Use the time-outs and limits of the matched route, or the global ones, from here on."""
        client = self._client
        client.timeouts = settings.timeouts
        if client.limits is not settings.limits:
            client.limits = settings.limits
            client.reader.use(settings.limits)
        client.limit_total()

    async def _end_here(self, decided: LocalResponse | Refused) -> bool:
        """Answer a request that goes to no upstream. Raises the plan's error if it refuses the request."""
        route = self._route = decided.route
        self._apply_settings(self._context if route is None else route)
        framing = request_framing(self._head)
        if framing is not NO_BODY:
            self._request_body = RequestBody(self._client, framing, self._client.limits)
        if route is not None:
            self._record.route = route.name
            if route.access is not None:
                admitted = await admit(route, self._context, self._client, self._head, self._record)
                if isinstance(admitted, LocalResponse):
                    return await self._answer(admitted, keep_open=True)
        if isinstance(decided, Refused):
            raise decided.error
        if route is None:
            self._note_health_check()
        elif self._request_body is not None:
            self._request_body.arrived()  # nobody needs it; but if it is whole, the connection can go on
        return await self._answer(decided, keep_open=True)

    def _note_health_check(self) -> None:
        """Mark what `onehop health` asks, every few seconds: a log line each would bury the others."""
        if self._head.method == b"OPTIONS" and self._head.target == b"*":
            own = self._client.stream.transport.get_extra_info("sockname")
            listener = plain_address(own[0]) if isinstance(own, tuple) else ""
            self._record.is_health_check = is_from_this_machine(self._client.peer, listener, self._head.known)

    def _cause(self, error: ProxyError) -> ProxyError:
        """Why an exchange failed. A failed upload, or abandoning the exchange, breaks the upstream's connection: report
        that cause, not the broken connection."""
        if self._attempts is None or not isinstance(error, UpstreamError):
            return error
        return self._attempts.upload_error or self._attempts.ended_by or error

    async def _answer_error(self, error: ProxyError) -> bool:
        """Tell the client what went wrong, or cut the transfer where a response has begun: never a clean end."""
        client, record = self._client, self._record
        if isinstance(error, InternalError):
            self._context.report_defect(error.__cause__ or error, record.request_id)
        if client.is_gone and not isinstance(error, ClientGone):
            error = ClientGone(CLIENT_CLOSED)
        record.failed(error)
        if self._attempts is not None:
            self._attempts.end(error)
        if isinstance(error, ClientGone) or self._response_framing is not None:
            record.status = record.status or 499
            await self._cut(error)
            return False
        pages = self._context.settings.error_pages
        if self._route is not None and self._route.error_pages is not None:
            pages = self._route.error_pages
        answer = error_response(
            error,
            [value for name, value in self._head.fields if name.lower() == b"accept"],
            pseudonym=self._context.settings.pseudonym,
            request_id=record.request_id,
            pages=pages,
            attempts=() if self._attempts is None else self._attempts.shown_attempts(error.code),
        )
        try:
            return await self._answer(answer, keep_open=not isinstance(error, BadRequest | InternalError))
        except (ClientGone, RequestOverdue) as end:
            await self._cut(end)
            return False

    async def _cut(self, error: ProxyError) -> None:
        """End the connection behind a response that has begun, once the client has taken what was written of it."""
        client, record = self._client, self._record
        if isinstance(error, RequestOverdue) and client.stream.must_drain() and not client.queued_before:
            client.stream.reset()  # the client was too slow: it gets no more time, but for a response before this one
        if record.seen is not None:
            record.seen.client = keeping.CUT
        untaken = await client.deliver_cut(only_the_end_delimits=self._response_framing is UNTIL_CLOSE)
        record.response_bytes = max(0, record.response_bytes - untaken)

    def _explained(self, explaining: Explaining, seen: Seen, answer: LocalResponse) -> LocalResponse:
        """The answer with what was decided about its request, for a client that may ask for that."""
        record, fields, decisions = self._record, [*answer.fields], Decisions()
        seen.ended_here(record.method, record.target, record.http_version, record.fields)
        decisions.decide_all(fields, STATED)
        explain(explaining, record, fields, b"", decisions)
        return msgspec.structs.replace(answer, fields=fields)

    async def _answer(self, answer: LocalResponse, *, keep_open: bool) -> bool:
        """Send a complete answer. The connection goes on only where no byte of this request can still come."""
        head, client = self._head, self._client
        body = self._request_body.body if self._request_body is not None else EMPTY_BODY
        if not keep_open:
            kept = keeping.NOT_SAFE
        elif not body.complete:
            kept = keeping.UPLOAD_UNFINISHED
        elif client.says_close:
            kept = keeping.LEAVING
        elif not persists(head.http_version, head.options):
            kept = keeping.NOT_ASKED
        else:
            kept = keeping.CLIENT_KEPT
        stays_open = kept is keeping.CLIENT_KEPT
        if self._record.seen is not None:
            self._record.seen.client = kept
        connection = b"close"
        if stays_open:
            connection = b"keep-alive" if head.http_version < b"1.1" else b""
        if self._route is not None and self._route.response_fields is not None:
            fields = self._route.response_fields.apply(answer.fields)
            answer = msgspec.structs.replace(answer, fields=fields)
        if self._context.explaining is not None and self._record.seen is not None:
            answer = self._explained(self._context.explaining, self._record.seen, answer)
        write_answer(
            client,
            answer,
            method=head.method,
            date=self._context.http_date(),
            connection=connection or None,
            record=self._record,
        )
        self._response_framing = NO_BODY  # no other answer follows this one, whatever fails
        await client.wait_for_client()
        if self._context.events.responded is not None:
            self._context.events.responded(self._record)
        if not stays_open:
            client.ending = Ending.LINGER
        return stays_open
