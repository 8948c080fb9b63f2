"""A lane: a proxy in this loop, an upstream behind it and a client before it, and one case at a time."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from tests.fuzz.cases import Case
from tests.fuzz.laws import Find, judge_client, judge_upstream
from tests.harness import strict
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import PATIENCE_S, reset
from tests.harness.strict import Incomplete, Request, Violation

_TIMEOUTS: Final = {
    "request_head_s": 0.3,
    "request_body_idle_s": 0.3,
    "response_head_s": 0.5,
    "response_body_idle_s": 0.3,
    "continue_s": 0.1,
    "client_idle_s": 0.3,
    "tunnel_idle_s": 0.3,
}
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-From: upstream\r\n\r\n"


class _End(asyncio.Protocol):
    """One end of a connection: what it received, and how it ended."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.eof = self.broken = self.has_ended = False
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
            self.has_ended = True
            self.transport.write_eof()
        elif how == "close":
            self.transport.close()
        elif how == "reset":
            reset(self.transport)


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
                elif not self.has_ended:  # else the request and the end cross
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
        """Start; leaving the stack shuts the proxy down, and asserts that nothing is left over."""
        server = await asyncio.get_running_loop().create_server(lambda: _Service(self), "127.0.0.1", 0)
        stack.callback(server.close)
        stack.callback(lambda: [service.transport.abort() for service in list(self.services)])
        port = server.sockets[0].getsockname()[1]
        self.proxy = await stack.enter_async_context(
            running_proxy(
                port,
                reader=reader,
                timeouts=_TIMEOUTS,
                upgrades=["websocket"],
                client_half_close=True,  # our clients say by it that they have said all
            )
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
