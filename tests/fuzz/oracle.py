"""The oracle: any bytes from a client, any bytes from an upstream, and a second strict reader to judge what comes of it.

From a client: either it is refused and the connection closed, or the strict reader finds in its bytes exactly the
requests that arrive upstream: method, target, end-to-end fields, body; nothing hop-by-hop, nothing nominated.
From an upstream: either the client gets a 502 or 504, or a transfer that is visibly cut, or exactly the response that
the strict reader finds in those bytes; and the next request is served.

A case is made by its seed alone. Lanes (a proxy and an upstream each) run cases side by side, each one at a time, so
that what arrives upstream belongs to the case under way.
"""

import asyncio
import itertools
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple

from proxy.telemetry.record import ExchangeRecord
from tests.fuzz import strict
from tests.fuzz.strict import Incomplete, Lines, Request, Response, Violation
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import PATIENCE_S

_TIMEOUTS: Final = {
    "request_head_s": 0.3, "request_body_idle_s": 0.3, "response_head_s": 0.5, "response_body_idle_s": 0.3,
    "continue_s": 0.1, "client_idle_s": 0.3, "tunnel_idle_s": 0.3,
}  # fmt: skip
_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive te trailer transfer-encoding upgrade proxy-authenticate proxy-authorization "
    b"proxy-connection proxy-authentication-info http2-settings".split()
)
_CLIENT_IDENTITY: Final = re.compile(rb"forwarded|x-forwarded.*|x-real-ip|x-request-id")
_STATED_UPSTREAM: Final = frozenset(b"host via content-length expect max-forwards".split())
_STATED_DOWNSTREAM: Final = frozenset(b"via content-length date".split())
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-From: upstream\r\n\r\n"

_SMUGGLING: Final = [
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length: 10\r\n", b"Content-Length: 5, 5\r\n",
    b"Content-Length: 5, 6\r\n", b"Content-Length: +5\r\n", b"Content-Length: 0x5\r\n", b"Content-Length: 5 5\r\n",
    b"Content-Length : 5\r\n", b"Content-Length: 005\r\n", b"Content-Length:\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length:\x0b5\r\n", b" Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:\tCHUNKED \r\n", b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n", b"Transfer-Encoding: chunked\x85\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n", b"X: y\nTransfer-Encoding: chunked\r\n", b"X: y\rTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"Transfer_Encoding: chunked\r\n",
    b"Transfer-Encoding: \"chunked\"\r\n", b"Transfer-Encoding: chunked;q=1\r\n", b"Transfer-Encoding: ,chunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: X-A, Host, Content-Length\r\n",
    b"Connection: Transfer-Encoding\r\n", b"Connection: TE, Via, X-Forwarded-For\r\n", b"Proxy-Connection: close\r\n",
    b"Keep-Alive: timeout=5\r\n", b"TE: trailers\r\n", b"Trailer: X-T\r\n", b"Upgrade: websocket\r\n", b"Host: other\r\n",
    b"Expect: 100-continue\r\n", b"Expect: 200-ok\r\n", b"X-Forwarded-For: 1\r\n", b"X_Forwarded_For: 1\r\n", b"X-A: 1\r\n",
    b"Max-Forwards: 0\r\n", b"HTTP2-Settings: AA\r\n", b"Via: 1.1 onehop-test\r\n", b"Date: x\r\n",
]  # fmt: skip
_INSERTED: Final = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\t", b" ", b"\x00", b"\x0b", b"\x0c", b"\x85", b"\xa0", b"\x7f", b":", b",", b";",
    b"0", b"1", b"5", b"9", b"a", b"f", b"+", b"-", b"_", b'"', b"\\", b"/", b"#", b"?", b"@", b"%", b"\xff", b"0\r\n\r\n",
    b"\r\n ", b"HTTP/1.1", b"chunked",
]  # fmt: skip
_CHUNKED_BODIES: Final = [
    b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"05;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n",
    b"A\r\n0123456789\r\n0\r\nX-T: 1\r\nX-A: 2\r\n\r\n", b"5 \r\nhello\r\n000\r\nContent-Length: 3\r\nHost: t\r\n\r\n",
    b"5 ;a\r\nhello\r\n0\t; b = c \r\n\r\n",
    b"2e\r\nGET /hidden HTTP/1.1\r\nHost: h\r\nX-Body: yes\r\n\r\n\r\n0\r\n\r\n",
]  # fmt: skip


class Find(Exception):
    """A law is broken."""


class Case(NamedTuple):
    """Some bytes, how they are cut into segments, and what follows them."""

    name: str  # the seed that makes it
    client_side: bool
    data: bytes
    cuts: tuple[int, ...]
    ending: str  # `half-close`, `close`, `reset` or `wait`
    request: bytes = b""  # upstream's side only: what the client asks

    def __str__(self) -> str:
        asked = f"\nasked:  {self.request!r}" if self.request else ""
        return f"case:   {self.name}{asked}\nbytes:  {self.data!r}\ncuts:   {self.cuts}\nending: {self.ending}"

    def pieces(self) -> list[bytes]:
        """The segments."""
        edges = [0, *self.cuts, len(self.data)]
        return [self.data[a:b] for a, b in itertools.pairwise(edges) if a < b]


# -- cases -------------------------------------------------------------------------------------------------------


def client_case(name: str) -> Case:
    """The client-side case of that name."""
    rng = random.Random(name)
    data = b"".join(_request(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
    data = _mutated(rng, data)
    return Case(name, True, data, _cuts(rng, data), "wait" if rng.random() < 0.01 else "half-close")


def upstream_case(name: str) -> Case:
    """The upstream-side case of that name."""
    rng = random.Random(name)
    method = rng.choice((b"GET", b"GET", b"GET", b"GET", b"HEAD", b"POST"))
    version = rng.choice((b"1.1", b"1.1", b"1.1", b"1.0"))
    extra = rng.choice(
        (b"", b"", b"TE: trailers\r\nConnection: TE\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    )
    request = b"%b /case HTTP/%b\r\nHost: h\r\n%b\r\n" % (method, version, extra)
    data = b"".join(_interim(rng) for _ in range(rng.choice((0, 0, 0, 1, 2))))
    data += _response(rng)
    if rng.random() < 0.1:
        data += _response(rng)
    data = _mutated(rng, data)
    ending = rng.choices(("close", "half-close", "reset", "wait"), (80, 5, 5, 10))[0]
    return Case(name, False, data, _cuts(rng, data), ending, request)


def _lines(rng: random.Random) -> bytes:
    return b"".join(rng.choice(_SMUGGLING) for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2))))


def _body(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.45:
        body = rng.choice((b"", b"hello", b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\n\r\n"))
        return b"Content-Length: %d\r\n%b\r\n%b" % (len(body), _lines(rng), body)
    return b"Transfer-Encoding: chunked\r\n%b\r\n%b" % (_lines(rng), rng.choice(_CHUNKED_BODIES))


def _request(rng: random.Random) -> bytes:
    target = rng.choice((b"/", b"/a?b=c", b"/x/../y//z", b"*", b"http://other:80/p?q", b"http://other", b"/%00\\|"))
    version = b"1.0" if rng.random() < 0.1 else b"1.1"
    method = rng.choice((b"GET", b"POST", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"X-ODD"))
    start = b"%b %b HTTP/%b\r\nHost: h\r\n%b" % (method, target, version, _lines(rng))
    kind = rng.random()
    if kind < 0.3:
        return start + b"\r\n"
    if kind < 0.35:
        return start + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    return start + _body(rng)


def _interim(rng: random.Random) -> bytes:
    return rng.choice((
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-B\r\nX-B: 1\r\n\r\n",
        b"HTTP/1.1 199 \r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\nTransfer-Encoding: chunked\r\n\r\n",
    ))  # fmt: skip


def _response(rng: random.Random) -> bytes:
    start = rng.choice(
        (b"200 OK", b"200 OK", b"200 OK", b"404 Not Found", b"204 No Content", b"304 Not Modified", b"500 ")
    )
    start = b"HTTP/%b %b\r\n%b" % (b"1.0" if rng.random() < 0.15 else b"1.1", start, _lines(rng))
    kind = rng.random()
    if kind < 0.08:
        return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nopaque"
    if kind < 0.2:
        return start + b"\r\nuntil close"
    if kind < 0.3:
        return start + b"\r\n"
    return start + _body(rng)


def _mutated(rng: random.Random, data: bytes) -> bytes:
    while rng.random() < 0.45:
        at = rng.randrange(len(data) + 1)
        kind = rng.random()
        if kind < 0.3:
            data = data[:at] + rng.choice(_INSERTED) + data[at:]
        elif kind < 0.4:
            data = data[:at] + rng.choice(_INSERTED) + data[at + 1 :]
        elif kind < 0.5:
            data = data[:at] + data[at + rng.choice((1, 1, 1, 2, 5)) :]
        elif kind < 0.55:
            data = data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]
        elif kind < 0.6:
            data = data[:at]
        elif kind < 0.65:
            data = data[:at] + data[at : at + 9].swapcase() + data[at + 9 :]
        elif kind < 0.75:  # a digit, where there is one: lengths and chunk sizes
            digits = [found.start() for found in re.finditer(rb"[0-9]", data)]
            if digits:
                at = rng.choice(digits)
                data = data[:at] + rng.choice((b"0", b"1", b"4", b"6", b"9", b"a", b"00", b"", b"5 ")) + data[at + 1 :]
        else:  # a whole line: repeated, moved, dropped, or put in from the list
            lines = data.split(b"\r\n")
            at = rng.randrange(len(lines))
            if kind < 0.8:
                lines.insert(at, lines[at])
            elif kind < 0.85:
                lines.insert(rng.randrange(len(lines)), lines.pop(at))
            elif kind < 0.88:
                del lines[at]
            else:
                lines.insert(max(at, 1), rng.choice(_SMUGGLING).removesuffix(b"\r\n"))
            data = b"\r\n".join(lines)
    return data


def _cuts(rng: random.Random, data: bytes) -> tuple[int, ...]:
    kind = rng.random()
    if kind < 0.6 or len(data) < 2:
        return ()
    if kind < 0.65:
        return tuple(range(1, len(data)))
    return tuple(sorted(rng.sample(range(1, len(data)), min(rng.randint(1, 4), len(data) - 1))))


# -- peers -------------------------------------------------------------------------------------------------------


class _End(asyncio.Protocol):
    """One end of a connection: what it received, and how it ended."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.eof = self.broken = False
        self.done = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.eof = True
        self._finish()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = self.broken or (not self.eof and exc is not None)
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    async def send(self, pieces: list[bytes]) -> None:
        """One segment after another; the other side, in the same loop, reads in between."""
        for position, piece in enumerate(pieces):
            if position:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            if self.transport.is_closing():
                return
            self.transport.write(piece)

    def end(self, how: str) -> None:
        """End this side."""
        if self.transport.is_closing():
            return
        if how == "half-close":
            self.transport.write_eof()
        elif how == "close":
            self.transport.close()
        elif how == "reset":
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class _Service(_End):
    """One connection to a lane's upstream: every request must be exact; `/case` is answered with the case's bytes."""

    def __init__(self, lane: "Lane") -> None:
        super().__init__()
        self._lane = lane
        self._at = 0
        self._playing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._lane.services.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lane.services.discard(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        try:
            while self._at < len(self.received):
                request, self._at = strict.request(bytes(self.received), self._at, exact=True)
                self._lane.arrived.append(request)
                if self._lane.script is not None and request.target == b"/case":
                    self._playing = asyncio.create_task(self._play(self._lane.script))
                else:
                    self.transport.write(_OK)
        except Incomplete:
            pass
        except Violation as violation:
            self._lane.finds.append(f"upstream received {bytes(self.received)!r}: {violation}")
            self.transport.abort()

    def eof_received(self) -> bool:
        super().eof_received()
        return self._playing is not None  # a tunnel whose client has said all still carries the answer

    async def _play(self, case: Case) -> None:
        await self.send(case.pieces())
        self.end(case.ending)


class Lane:
    """A proxy and its upstream, and one case at a time."""

    def __init__(self) -> None:
        self.arrived: list[Request] = []
        self.finds: list[str] = []
        self.services: set[_Service] = set()
        self.script: Case | None = None
        self._heard = b""
        self.proxy: RunningProxy

    async def open(self, stack: AsyncExitStack, reader: str) -> None:
        """Start; leaving the stack drains the proxy, and asserts that nothing is left over."""
        server = await asyncio.get_running_loop().create_server(lambda: _Service(self), "127.0.0.1", 0)
        stack.callback(server.close)
        stack.callback(lambda: [service.transport.abort() for service in list(self.services)])
        port = server.sockets[0].getsockname()[1]
        self.proxy = await stack.enter_async_context(
            running_proxy(port, reader=reader, timeouts=_TIMEOUTS, upgrades=["websocket"])
        )

    async def run(self, case: Case) -> None:
        """Run a case. Raises Find."""
        self.arrived.clear()
        self.proxy.records.clear()
        try:
            await (self._from_client(case) if case.client_side else self._from_upstream(case))
            if self.finds:
                raise Find(self.finds.pop())
        except (Find, Violation, Incomplete) as exc:
            raise Find(f"{type(exc).__name__}: {exc}\nheard:  {self._heard!r}\n{case}") from exc

    async def _talk(self, pieces: list[bytes], ending: str) -> _End:
        _, client = await asyncio.get_running_loop().create_connection(_End, "127.0.0.1", self.proxy.port)
        try:
            await client.send(pieces)
            client.end(ending)
            async with asyncio.timeout(PATIENCE_S):
                await client.done
        except TimeoutError:
            raise Find(f"the connection does not end; so far {bytes(client.received)!r}") from None
        finally:
            client.transport.abort()
            self._heard = bytes(client.received)
        return client

    async def _from_client(self, case: Case) -> None:
        self.script = None
        client = await self._talk(case.pieces(), case.ending)
        judge_client(case, client, self.proxy.records, self.arrived)

    async def _from_upstream(self, case: Case) -> None:
        self.script = case
        client = await self._talk([case.request], "half-close")
        judge_upstream(case, client, self.proxy.records)
        self.script = None
        again = await self._talk([b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"], "half-close")
        response, end = strict.response(bytes(again.received), 0, b"GET", ended=not again.broken, exact=True)
        if end != len(again.received) or (b"x-from", b"upstream") not in response.fields:
            raise Find(f"the next request is answered {bytes(again.received)!r}")


# -- laws --------------------------------------------------------------------------------------------------------


def _all_requests(data: bytes) -> tuple[list[Request], str]:
    """The requests in a client's bytes up to the first that ends the connection, and what then goes wrong, if anything."""
    requests: list[Request] = []
    at = 0
    while data[at:].strip(b"\r\n"):  # a line end behind the last request is nothing, whole or not
        try:
            request, at = strict.request(data, at)
        except (Violation, Incomplete) as exc:
            return requests, f"{type(exc).__name__} {exc}"
        requests.append(request)
        if strict.closes(request):
            break
    return requests, ""


def _end_to_end(lines: Lines, nominating: Lines, stated: frozenset[bytes], *, request: bool) -> Lines:
    ending_here = _HOP_BY_HOP | stated | set(strict.words(nominating, b"connection"))
    return [
        line for line in lines
        if line[0] not in ending_here and not (request and _CLIENT_IDENTITY.fullmatch(line[0].replace(b"_", b"-")))
    ]  # fmt: skip


def judge_client(case: Case, client: _End, outcomes: list[ExchangeRecord], arrived: list[Request]) -> None:
    """Law A. Raises Find, Violation, Incomplete."""
    meant, trouble = _all_requests(case.data)
    forwarded = 0
    for position, outcome in enumerate(outcomes):
        last = position == len(outcomes) - 1
        if outcome.status in (0, 499, 500):
            raise Find(f"a client's bytes ended in {outcome}")
        if outcome.error and outcome.status != 508:
            if not last:
                raise Find(f"a refusal that is not the last word: {outcomes}")
            continue
        if position >= len(meant):
            if outcome.origin == "" and last:
                continue  # answered here, before its body turned out wrong
            raise Find(f"forwarded {outcome.method!r} {outcome.target!r}, and the strict reader finds: {trouble}")
        request = meant[position]
        if (outcome.method, outcome.target) != (request.method, request.target):
            raise Find(f"logged {outcome.method!r} {outcome.target!r}, meant {request}")
        if outcome.origin == "":
            continue  # OPTIONS or TRACE that ended here, or a loop: the connection may go on
        if forwarded >= len(arrived):
            raise Find("logged as forwarded, and nothing arrived")
        _same_request(request, arrived[forwarded])
        if outcome.request_bytes != len(request.body):
            raise Find(f"logged {outcome.request_bytes} body bytes of {len(request.body)}")
        forwarded += 1
    if forwarded != len(arrived):
        raise Find(f"arrived without being logged: {arrived[forwarded:]}")
    refused = bool(outcomes) and bool(outcomes[-1].error or outcomes[-1].origin == "")
    if not refused and (len(outcomes) != len(meant) or trouble) and case.ending == "half-close":
        raise Find(f"{len(outcomes)} served of {len(meant)}, and no refusal; strict: {trouble}")
    # What could not be read has no method in the log; the answer to a HEAD among it has no body.
    answers = _answers(
        client, [outcome.method or (b"GET" if outcome.response_bytes else b"HEAD") for outcome in outcomes]
    )
    statuses = [answer.status for answer in answers]
    if statuses != [outcome.status for outcome in outcomes] and not (client.broken and not refused):
        raise Find(f"the client read {statuses}, the log says {outcomes}")
    must_close = refused and (len(outcomes) > len(meant) or outcomes[-1].status not in (200, 508))
    if must_close and not client.broken and b"close" not in strict.words(answers[-1].fields, b"connection"):
        raise Find("a refusal without close")


def _answers(client: _End, methods: list[bytes]) -> list[Response]:
    data, at = bytes(client.received), 0
    answers: list[Response] = []
    while at < len(data):
        method = methods[len(answers)] if len(answers) < len(methods) else b"GET"
        answer, at = strict.response(data, at, method, ended=not client.broken, exact=True)
        if answer.status >= 200:
            answers.append(answer)
    return answers


def _same_request(meant: Request, arrived: Request) -> None:
    origin_form = re.sub(rb"^(?i:https?)://[^/?#]*", b"", meant.target)
    if origin_form[:1] in (b"", b"?") and meant.target != origin_form:
        origin_form = b"*" if meant.method == b"OPTIONS" and not origin_form else b"/" + origin_form
    if (meant.method, origin_form, meant.body) != (arrived.method, arrived.target, arrived.body):
        raise Find(f"meant {meant}, arrived {arrived}")
    sent = _end_to_end(meant.fields, meant.fields, _STATED_UPSTREAM, request=True)
    came = _end_to_end(arrived.fields, arrived.fields, _STATED_UPSTREAM, request=True)
    if sent != came:
        raise Find(f"end-to-end fields {sent} became {came}")
    options = strict.words(arrived.fields, b"connection")
    allowed = {b"upgrade": [b"websocket"], b"te": [b"trailers"]}
    for name in _HOP_BY_HOP - {b"connection", b"transfer-encoding", b"trailer"}:
        if strict.values(arrived.fields, name) != (allowed.get(name, []) if name in options else []):
            raise Find(f"{name!r} does not end here: {arrived.fields}")
    if set(options) - set(allowed) or len(set(options)) != len(options):
        raise Find(f"Connection says {options}")
    passed = _end_to_end(meant.trailers, meant.fields, _STATED_UPSTREAM, request=True)
    if any(line not in passed for line in arrived.trailers):
        raise Find(f"trailers {meant.trailers} became {arrived.trailers}")
    if (b"x-t", b"1") in passed and (b"x-t", b"1") not in arrived.trailers:
        raise Find("a trailer is lost")


def judge_upstream(case: Case, client: _End, outcomes: list[ExchangeRecord]) -> None:
    """Law B. Raises Find, Violation, Incomplete."""
    if len(outcomes) != 1 or not outcomes[0].status or outcomes[0].error in ("internal", "client_gone", "cancelled"):
        raise Find(f"an upstream's bytes ended in {outcomes}")
    outcome = outcomes[0]
    asked, _ = strict.request(case.request)
    interims, meant, behind, trouble = _all_responses(case, asked.method)
    data = bytes(client.received)
    at = 0
    try:
        got, at = strict.response(data, at, asked.method, ended=not client.broken, exact=True)
        for _ in interims:
            if got.status >= 200 or got.status == 101:
                break
            got, at = strict.response(data, at, asked.method, ended=not client.broken, exact=True)
    except Incomplete:
        if outcome.error:
            return  # visibly cut
        raise
    if outcome.error:
        if outcome.status not in (502, 504) or not any(
            b"onehop-test" in value for value in strict.values(got.fields, b"proxy-status")
        ):
            raise Find(f"{outcome}, and the client reads a whole {got}")
        if at != len(data):
            raise Find(f"behind an error: {data[at:]!r}")
        return
    if meant is None:
        raise Find(f"the client reads {got}, where the strict reader finds: {trouble}")
    if (got.status, got.body) != (meant.status, meant.body):
        raise Find(f"meant {meant}, got {got}")
    if meant.status == 101:
        if not behind.startswith(data[at:]) or (case.ending == "close" and data[at:] != behind):
            raise Find(f"through the tunnel came {data[at:]!r}")
    elif at != len(data):
        raise Find(f"behind the response: {data[at:]!r}")
    sent = _end_to_end(meant.fields, meant.fields, _STATED_DOWNSTREAM, request=False)
    came = _end_to_end(got.fields, got.fields, _STATED_DOWNSTREAM, request=False)
    if sent != came:
        raise Find(f"end-to-end fields {sent} became {came}")
    options = strict.words(got.fields, b"connection")
    expected = [b"upgrade"] if got.status == 101 else [b"close"] if asked.version == b"1.0" or got.until_close else []
    if (options or expected) not in (expected, [b"close"]):
        raise Find(f"Connection says {options}, not {expected}")
    for name in _HOP_BY_HOP - {b"connection", b"transfer-encoding", b"trailer", b"upgrade"}:
        if strict.values(got.fields, name):
            raise Find(f"{name!r} does not end here: {got.fields}")
    if asked.version == b"1.0" and strict.values(got.fields, b"transfer-encoding"):
        raise Find("chunks for a 1.0 client")
    passed = _end_to_end(meant.trailers, meant.fields, _STATED_DOWNSTREAM, request=False)
    if any(line not in passed for line in got.trailers) or (got.trailers and b"te" not in dict(asked.fields)):
        raise Find(f"trailers {meant.trailers} became {got.trailers}")


def _all_responses(case: Case, method: bytes) -> tuple[list[Response], Response | None, bytes, str]:
    """The interim responses in an upstream's bytes, the final one, what is behind it, or what goes wrong instead."""
    interims: list[Response] = []
    at = 0
    try:
        while True:
            ended = case.ending in ("close", "half-close")
            response, at = strict.response(case.data, at, method, ended=ended)
            if response.status >= 200 or response.status == 101:
                return interims, response, case.data[at:], ""
            interims.append(response)
    except (Violation, Incomplete) as exc:
        return interims, None, b"", f"{type(exc).__name__} {exc}"


# -- running -----------------------------------------------------------------------------------------------------


async def run_cases(cases: Iterator[Case], *, lanes: int = 8, progress: Callable[[], None] | None = None) -> int:
    """Run cases until there are no more; returns how many. Raises Find, or what the proxy's end asserts."""
    loop = asyncio.get_running_loop()
    trouble: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: trouble.append(context))
    count = 0

    async def work(lane: Lane) -> None:
        nonlocal count
        for case in cases:
            await lane.run(case)
            count += 1
            if progress is not None:
                progress()
            if trouble:
                raise Find(f"the loop reports {trouble}\n{case}")

    try:
        async with AsyncExitStack() as stack:
            opened = [Lane() for _ in range(lanes)]
            for number, lane in enumerate(opened):
                await lane.open(stack, ("auto", "h11")[number % 2])
            await _all_or_first_failure([work(lane) for lane in opened])
            await asyncio.sleep(0.6)  # what lingers on one lane would look like a leak on the next
            if (finds := [find for lane in opened for find in lane.finds]) or trouble:
                raise Find(f"late: {finds} {trouble}")
    finally:
        loop.set_exception_handler(None)
    return count


async def _all_or_first_failure(work: list[Awaitable[None]]) -> None:
    tasks = [asyncio.ensure_future(item) for item in work]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def named_cases(seed: int, first: int, count: int) -> Iterator[Case]:
    """The cases of a seed from number `first` on: two from clients, one from an upstream, and so on."""
    for number in range(first, first + count):
        client_side = number % 3 < 2
        yield client_case(f"{seed}:client:{number}") if client_side else upstream_case(f"{seed}:upstream:{number}")
