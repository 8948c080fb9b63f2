"""One request and its answer, as endpoints use them. Keeps HTTP's rules for both; knows no endpoint."""

import json
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

import h11

from proxy.demo.wire import Wire

FieldLine = tuple[bytes, bytes]
FieldLines = Sequence[FieldLine]

_BODILESS: Final = frozenset({204, 304})


class Refusal(Exception):
    """The request is at fault, and refused; the text is sent to the client."""

    def __init__(self, status: int, reason: str, fields: FieldLines = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.fields = fields


class Exchange:
    """A request whose head has arrived. The endpoint reads the body, or not, and answers once."""

    def __init__(self, wire: Wire, request: h11.Request, ordinal: int) -> None:
        self.wire = wire
        self.request = request
        self.ordinal = ordinal  # 1 for the connection's first request
        self.method = request.method.decode("ascii")
        self.target = request.target.decode("latin-1")
        self.path, self.query = _split_target(self.target)
        self.trailers: list[FieldLine] = []
        self._sends_body = True

    @property
    def understands_http_1_1(self) -> bool:
        """Whether the client takes chunks, trailers and interim responses."""
        return self.request.http_version >= b"1.1"

    @property
    def sends_body(self) -> bool:
        """Whether the answer that was started has a body at all."""
        return self._sends_body

    def first_value(self, name: bytes) -> str:
        """Value of the first field line of that (lower-case) name, or nothing."""
        return next((value.decode("latin-1") for key, value in self.request.headers if key == name), "")

    # -- the request's body ------------------------------------------------------------------------------

    async def body(self) -> AsyncIterator[bytes]:
        """Read the request's body piece by piece; `trailers` are there after the last."""
        while self.wire.http.their_state is h11.SEND_BODY:
            if self.wire.http.they_are_waiting_for_100_continue:
                await self.interim(100)
            event = await self.wire.next_event()
            if isinstance(event, h11.Data):
                yield event.data
            elif isinstance(event, h11.EndOfMessage):
                self.trailers = event.headers.raw_items()

    async def discard_body(self) -> None:
        """Read the rest of the body: the next request follows it."""
        async for _ in self.body():
            pass

    # -- the answer --------------------------------------------------------------------------------------

    async def interim(self, status: int, fields: FieldLines = ()) -> None:
        """Send an interim response, unless the client speaks HTTP/1.0."""
        if self.understands_http_1_1:
            reason = _reason(status)
            head = h11.InformationalResponse(status_code=status, headers=list(fields), reason=reason)
            await self.wire.write(self.wire.http.send(head))

    async def start(self, status: int, fields: FieldLines) -> None:
        """Send the head. Without Content-Length, the body is chunked, or ends with the connection."""
        await self.wire.write(self._head(status, fields))

    async def send(self, content: bytes) -> None:
        """Send a piece of the body, unless the answer has none."""
        if self._sends_body and content:
            await self.wire.write(self.wire.http.send(h11.Data(data=content)))

    async def finish(self, trailers: FieldLines = ()) -> None:
        """End the answer. Trailers go only where chunks went."""
        takes_trailers = self._sends_body and self.understands_http_1_1
        end = h11.EndOfMessage(headers=list(trailers) if takes_trailers else [])
        await self.wire.write(self.wire.http.send(end))

    async def answer(self, status: int, content_type: bytes, body: bytes, fields: FieldLines = ()) -> None:
        """Send a complete answer."""
        if status in _BODILESS:
            head = self._head(status, fields)
        else:
            length = (b"Content-Length", b"%d" % len(body))
            head = self._head(status, [(b"Content-Type", content_type), length, *fields])
        rest = self.wire.http.send(h11.Data(data=body)) if self._sends_body else b""
        await self.wire.write(head + rest + self.wire.http.send(h11.EndOfMessage()))

    async def answer_json(self, status: int, content: dict[str, object], fields: FieldLines = ()) -> None:
        """Send a complete answer, formatted for a terminal."""
        await self.answer(status, b"application/json", _laid_out(content).encode(), fields)

    def _head(self, status: int, fields: FieldLines) -> bytes:
        self._sends_body = self.method != "HEAD" and status not in _BODILESS
        date = formatdate(usegmt=True).encode()
        lines: list[FieldLine] = [(b"Date", date), (b"Server", b"onehop-demo"), *fields]
        if self.wire.http.they_are_waiting_for_100_continue:
            # Nobody asked for the body, and whether it comes nevertheless is the client's choice (RFC 9110
            # §10.1.1): on a connection that stays open, it could be taken for a request.
            lines.append((b"Connection", b"close"))
        return self.wire.http.send(h11.Response(status_code=status, headers=lines, reason=_reason(status)))


def _split_target(target: str) -> tuple[str, dict[str, str]]:
    if not target.startswith("/"):  # absolute-form; of "//x", urlsplit would make a host
        try:
            parts = urlsplit(target)
        except ValueError:
            return target, {}
        target = f"{parts.path or '/'}?{parts.query}" if parts.scheme and parts.netloc else target
    path, _, query = target.partition("?")
    try:
        questions = parse_qs(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return path, {}
    return path, {name: values[0] for name, values in questions.items()}


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def _laid_out(content: dict[str, object]) -> str:
    """JSON with a member a line, and a field line a line."""

    def member(name: str, value: object) -> str:
        if isinstance(value, list) and value:
            items = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value)
            return f"  {json.dumps(name)}: [\n{items}\n  ]"
        return f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"

    return "{\n" + ",\n".join(member(name, value) for name, value in content.items()) + "\n}\n"
