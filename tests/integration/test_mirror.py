"""Copies of requests: whole, bounded, and of no consequence for the request itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.config.route_model import MirrorConfig, RouteConfig
from proxy.config.sources import load
from proxy.config.upstream_model import UpstreamConfig
from proxy.telemetry import series
from proxy.telemetry.counters import Ledger
from proxy.telemetry.events import Sink
from proxy.telemetry.series import Kind, Names
from proxy.upstream.connection import UpstreamConnection
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import Records, RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, Script, ScriptedUpstream, answering, client, fields_of
from tests.harness.waiting import until

GET = b"GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Kept: 1\r\n\r\n"


class Shadow:
    """An upstream that gets copies, and keeps what it was sent."""

    def __init__(self, answer: bytes = OK) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self._answer = answer
        self.upstream = ScriptedUpstream(*[self._serve] * 5)

    async def _serve(self, peer: Peer) -> None:
        while True:
            try:
                head = await peer.head()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            length = int(fields_of(head).get("content-length", ["0"])[0])
            await self.received.put(head + await peer.exactly(length))
            if self._answer:
                await peer.send(self._answer)

    async def next(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.received.get()


class SlowShadow(Shadow):
    """One that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def _serve(self, peer: Peer) -> None:
        await self.received.put(await peer.head())
        await self.may_answer.wait()
        await peer.send(OK)


@asynccontextmanager
async def mirrored(
    script: Script, shadow: Shadow, *, percent: float = 100.0, port: int | None = None, **settings: Any
) -> AsyncIterator[tuple[RunningProxy, Peer, Records]]:
    """A worker whose only route has copies go to the shadow; the records of copies come last."""
    upstream, copies = ScriptedUpstream(script), Records()
    async with upstream.serving(), shadow.upstream.serving():
        shadow_url = f"http://127.0.0.1:{shadow.upstream.port if port is None else port}"
        upstreams = {
            "app": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream.port}"]),
            "shadow": UpstreamConfig(urls=[shadow_url], host="shadow.internal"),
        }
        routes = {"r": RouteConfig(upstream="app", mirror=MirrorConfig(upstream="shadow", percent=percent))}
        sinks = [Sink(mirrored=copies.report)]
        async with (
            running_proxy(upstreams=upstreams, routes=routes, sinks=sinks, **settings) as proxy,
            client(proxy.port) as peer,
        ):
            yield proxy, peer, copies


@on_both_loops
async def test_a_copy_is_stripped_and_stated_like_the_request() -> None:
    received: list[bytes] = []
    copy, shadow = b"", Shadow()
    async with mirrored(answering(OK, OK, requests=received), shadow) as (proxy, peer, copies):
        for number in (1, 2):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
            copy = await shadow.next()
            assert copy == received[-1].replace(b"Host: h", b"Host: shadow.internal", 1)
            await copies.wait_for(number)
        assert b"X-Hop" not in copy
        assert b"X-Forwarded-For: 127.0.0.1\r\n" in copy
        assert [(copy.service, copy.status, copy.reused) for copy in copies] == [
            ("shadow", 200, False),
            ("shadow", 200, True),
        ]
        assert len(proxy.records) == 2, "copies are no exchanges"


BODIES = {
    "counted": (b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", [b"he", b"llo"]),
    "chunked": (
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n",
        [b"2\r\nhe\r\n", b"3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n"],
    ),
    "expected": (b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", [b"he", b"llo"]),
    "at once": (b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", []),
}


@pytest.mark.parametrize("kind", BODIES)
@on_both_loops
async def test_a_copy_has_the_whole_body_with_its_length(kind: str) -> None:
    head, pieces = BODIES[kind]

    async def script(peer: Peer) -> None:
        fields = fields_of(await peer.head())
        await (peer.chunked() if "transfer-encoding" in fields else peer.exactly(5))
        await peer.send(OK)
        await peer.rest()

    shadow = Shadow()
    async with mirrored(script, shadow, timeouts={"continue_s": 0.01}) as (_, peer, _):
        await peer.send(head)
        for piece in pieces:
            await peer.send(piece)
        while (answer := await peer.head()).startswith(b"HTTP/1.1 100 "):
            pass
        assert answer.startswith(b"HTTP/1.1 200 ")
        copy = await shadow.next()
        assert copy.endswith(b"\r\n\r\nhello")
        fields = fields_of(copy.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        assert fields["content-length"] == ["5"]
        assert not {"transfer-encoding", "expect", "trailer"} & fields.keys()


NOT_COPIED = {
    "too large": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123456789",
    "too large in chunks": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("kind", NOT_COPIED)
async def test_what_is_too_large_and_what_is_an_upgrade_is_not_copied(kind: str) -> None:
    shadow = Shadow()
    async with mirrored(answering(OK, OK), shadow, pool={"replay_bytes": 8}) as (_, peer, copies):
        await peer.send(NOT_COPIED[kind])
        assert (await peer.response())[1] == b"ok"
        await peer.send(GET)
        await peer.response()
        assert (await shadow.next()).startswith(b"GET /a?b ")
        await copies.wait_for(1)
        assert len(copies) == 1


async def test_a_body_that_does_not_come_whole_is_not_copied() -> None:
    shadow = Shadow()

    async def taking(peer: Peer) -> None:
        await peer.rest()

    async with mirrored(taking, shadow) as (proxy, peer, _):
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123")
        peer.reset()
        await proxy.records.wait_for(1)
        assert proxy.worker._context.copies == set()
    assert shadow.received.empty()


FAILING = {
    "refused": (1, b""),
    "silent": (None, b""),
    "nonsense": (None, b"nonsense\r\n\r\n"),
    "an endless 1xx": (None, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "a switch": (None, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
    "an error": (None, b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
    "cut": (None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"),
}


@pytest.mark.parametrize("kind", FAILING)
@on_both_loops
async def test_whatever_becomes_of_a_copy_the_request_is_answered_at_once(kind: str) -> None:
    port, answer = FAILING[kind]
    shadow = Shadow(answer)
    settings: dict[str, Any] = {"port": port, "timeouts": {"response_head_s": 0.3}}
    async with mirrored(answering(*[OK] * 3), shadow, **settings) as (proxy, peer, copies):
        for _ in range(3):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
        await copies.wait_for(3)
        assert [record.status for record in proxy.records] == [200] * 3
        assert proxy.worker._context.copies == set()


async def test_a_copy_at_an_origin_that_has_fallen_silent_keeps_its_time() -> None:
    shadow, opened = SlowShadow(), list[UpstreamConnection]()
    async with mirrored(answering(OK), shadow) as (proxy, peer, copies):
        proxy.worker.pool.on_opened.append(opened.append)
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"
        await shadow.next()
        [connection] = [each for each in opened if each.origin.port == shadow.upstream.port]
        stream, hurried = connection.stream, asyncio.get_running_loop().time()
        connection.hurry(hurried)
        await until(lambda: stream._read_deadline != hurried)
        shadow.may_answer.set()
        await copies.wait_for(1)
        assert [(copy.status, copy.error) for copy in copies] == [(200, "")]


async def test_copies_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.exchange.mirror._MOST_COPIES", 2)
    shadow = Shadow(b"")
    async with mirrored(answering(*[OK] * 5), shadow, timeouts={"response_head_s": 0.3}) as (proxy, peer, copies):
        for _ in range(5):
            await peer.send(GET)
            await peer.response()
        assert len(proxy.worker._context.copies) == 2
        await copies.wait_for(2)
        assert len(copies) == 2


async def test_a_part_of_the_requests_is_copied() -> None:
    shadow = Shadow()
    async with mirrored(answering(*[OK] * 200), shadow, percent=25) as (_, peer, copies):
        for _ in range(200):
            await peer.send(GET)
            await peer.response()
        assert 20 <= shadow.received.qsize() + len(copies) // 200 <= 90
    async with mirrored(answering(OK), shadow, percent=0) as (proxy, peer, _):
        await peer.send(GET)
        await peer.response()
        assert proxy.worker._context.copies == set()


async def test_a_copy_counts_as_a_request_to_its_upstream_and_as_no_clients() -> None:
    upstream, shadow = ScriptedUpstream(answering(OK)), Shadow(b"HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n")
    async with upstream.serving(), shadow.upstream.serving():
        ports = {"app": upstream.port, "shadow": shadow.upstream.port}
        origins = [(name, f"127.0.0.1:{port}") for name, port in ports.items()]
        ledger, copies = Ledger(), Records()
        ledger.extend(Names(["r"], origins))
        async with (
            running_proxy(
                upstreams={name: UpstreamConfig(urls=[f"http://127.0.0.1:{port}"]) for name, port in ports.items()},
                routes={"r": RouteConfig(upstream="app", mirror=MirrorConfig(upstream="shadow"))},
                sinks=[Sink(mirrored=copies.report)],
                counts=ledger.seat(0),
            ) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
            await copies.wait_for(1)
        app, of_shadow = (ledger.counted().of(Kind.ORIGIN, origin) for origin in origins)
        assert app[series.attempt_place(200, reused=False)] == 1
        assert of_shadow[series.attempt_place(418, reused=False)] == 1
        assert ledger.counted().of(Kind.ROUTE, ("r",))[series.request_place(b"GET", 200)] == 1
        assert sum(seat.ended() for seat in ledger.seats.values()) == 1


WRONG = [
    # of a route                                        what is said
    ('mirror = { upstream = "ap" }',                    'routes.a.mirror.upstream = "ap": no such upstream, did you mean "app"?'),
    ("mirror = { percent = 5 }",                        "no such upstream"),
    ('mirror = { upstream = "app", percent = 101 }',    "<= 100"),
    ('mirror = { upstream = "app", percent = -1 }',     ">= 0"),
    ('mirror = "app"',                                  "expected a table"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_mirror_that_cannot_work_is_refused(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[upstreams.app]\nurls = ["http://a"]\n[routes.a]\nupstream = "app"\n{line}\n')
    [found] = load(file, {}).problems
    assert said in str(found)
    assert found.line == 5


def test_a_route_that_answers_itself_has_nothing_to_copy(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        '[upstreams.app]\nurls = ["http://a"]\n[routes.a]\nrespond = { body = "x" }\nmirror = { upstream = "app" }\n'
    )
    assert "does nothing: the route answers itself" in str(load(file, {}).problems)
