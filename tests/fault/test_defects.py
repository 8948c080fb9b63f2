"""A defect of ours: the client learns nothing of it, the error log everything, and it costs one request."""

import asyncio
import re

import pytest

from proxy.telemetry.http_date import HttpDate
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.origin import Origin
from tests.harness.loops import on_both_loops
from tests.harness.origins import LiveOrigin, ask, live_origins
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client
from tests.harness.waiting import until

SECRET = "s3cret-of-a-variable"


@pytest.fixture
def broken_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that raises once. It stays interpreted: what replaces a part of compiled modules replaces nothing."""
    whole = HttpDate.now
    raised: list[HttpDate] = []

    def raise_once(date: HttpDate) -> bytes:
        if not raised:
            raised.append(date)
            raise KeyError(SECRET)
        return whole(date)

    monkeypatch.setattr(HttpDate, "now", raise_once)


@pytest.mark.usefixtures("broken_date")
@pytest.mark.parametrize("accept", ["text/plain", "text/html", "application/json"])
async def test_its_text_reaches_no_client_and_its_traceback_the_error_log(
    accept: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedUpstream(answering(OK)).serving() as upstream, running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(f"GET /a HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n".encode())
            head, body = await peer.response()
        async with client(proxy.port) as peer:
            await peer.send(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
            next_head, _ = await peer.response()
        await proxy.records.wait_for(2)
    said = capfd.readouterr().err
    assert head.startswith(b"HTTP/1.1 500 ")
    assert SECRET.encode() not in head + body
    assert b"KeyError" not in head + body
    assert next_head.startswith(b"HTTP/1.1 200 ")
    record = proxy.records[0]
    assert (record.error, record.detail) == ("internal", "KeyError")
    assert f"onehop: error: defect in request {record.request_id}: KeyError" in said
    assert f'raise KeyError(SECRET)\n  KeyError: "{SECRET}"'.replace('"', "'") in said
    assert re.search(r'/?exchange\.py", line [1-9][0-9]*, in _forward', said), "compiled or not"


class BrokenHealth:
    """Has a defect that shows when an attempt fails: the second failure within the first."""

    def trial_began(self, _: Origin) -> None: ...

    def knows(self, _: Origin) -> bool:
        return True

    def attempt_ended(self, *_: object) -> None:
        raise KeyError(SECRET)


@on_both_loops
async def test_one_while_a_response_is_being_cut_does_not_make_it_look_whole() -> None:
    """A body that ends with its connection: the client's only sign is a reset."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await arrived.wait()

    arrived = asyncio.Event()
    async with ScriptedUpstream(script).serving() as upstream, running_proxy(upstream.port) as proxy:
        proxy.worker.services["default"].health = BrokenHealth()
        async with client(proxy.port) as peer:
            await peer.send(b"GET / HTTP/1.0\r\n\r\n")
            await peer.head()
            assert await peer.exactly(4) == b"half"
            arrived.set()
            with pytest.raises(ConnectionResetError):
                await peer.some()


@pytest.mark.parametrize("settings", [{}, {"max_connections": 1}])
async def test_one_in_what_is_told_of_a_new_connection_leaves_neither_it_nor_its_place_behind(
    settings: dict[str, int],
) -> None:
    origin = LiveOrigin()
    raised: list[UpstreamConnection] = []

    def raise_once(connection: UpstreamConnection) -> None:
        if not raised:
            raised.append(connection)
            raise KeyError(SECRET)

    async with live_origins(origin), running_proxy(origin.port, upstream=settings) as proxy:
        proxy.worker.pool.on_opened.append(raise_once)
        async with client(proxy.port) as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            head, _ = await peer.response()
            assert head.startswith(b"HTTP/1.1 500 ")
            assert b"\r\nConnection: close\r\n" in head
            assert await peer.ended()
        await until(lambda: origin.connections == 1 and origin.open_connections == 0)
        assert await ask(proxy.port) == [200]
        assert origin.connections == 2
