"""Services on Unix sockets: unix:/path in an upstream's urls."""

import socket
from pathlib import Path

import pytest

from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


def at(path: Path | str, **settings: str) -> dict[str, UpstreamConfig]:
    return {"default": UpstreamConfig(urls=[f"unix:{path}"], **settings)}  # type: ignore[arg-type]


async def test_a_service_on_a_unix_socket_is_reached_and_its_connection_reused(tmp_path: Path) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, OK, requests=requests))
    path = tmp_path / "app.sock"
    async with upstream.serving(path=str(path)), running_proxy(upstreams=at(path)) as proxy, client(proxy.port) as peer:
        for request in (GET, GET, b"GET / HTTP/1.0\r\n\r\n"):
            await peer.send(request)
            assert (await peer.response())[1] == b"ok"
        assert [fields_of(request)["host"] for request in requests] == [["a.example"], ["a.example"], ["localhost"]]
        assert upstream.connections == 1
        await proxy.records.wait_for(3)
        assert {record.origin for record in proxy.records} == {f"unix:{path}"}
        assert [record.reused for record in proxy.records] == [False, True, True]


async def test_the_services_own_host_may_be_stated(tmp_path: Path) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=requests))
    path = tmp_path / "app.sock"
    async with (
        upstream.serving(path=str(path)),
        running_proxy(upstreams=at(path, host="app.internal")) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        await peer.response()
        assert fields_of(requests[0])["host"] == ["app.internal"]


@pytest.mark.parametrize(("made", "said"), [("nothing", "No such file"), ("stale", "Connection refused")])
async def test_a_socket_that_nobody_listens_on_is_told_as_such(tmp_path: Path, made: str, said: str) -> None:
    path = tmp_path / "app.sock"
    if made == "stale":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    async with running_proxy(upstreams=at(path)) as proxy, client(proxy.port) as peer:
        await peer.send(GET)
        head, body = await peer.response()
        assert head.startswith(b"HTTP/1.1 502 ")
        assert "error=connection_refused" in fields_of(head)["proxy-status"][0]
        assert str(tmp_path).encode() not in head + body  # a path of this machine's is not the client's to know
        record = proxy.records[0]
        assert record.error == "connect_failed"
        assert record.detail.startswith(f"no connection to unix:{path}: {said}")


async def test_a_websocket_passes_both_ways_and_each_side_ends_by_itself(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        assert await peer.rest() == b"hey"
        await peer.send(b"bye")

    upstream = ScriptedUpstream(script)
    path = tmp_path / "app.sock"
    async with upstream.serving(path=str(path)), running_proxy(upstreams=at(path)) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        assert await peer.exactly(5) == b"hello"
        await peer.send(b"hey")
        peer.half_close()
        assert await peer.rest() == b"bye"


async def test_an_early_answer_is_not_lost_to_the_close_behind_it(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        peer.abort()  # with the body unread: the sender gets ECONNRESET

    upstream = ScriptedUpstream(script)
    path = tmp_path / "app.sock"
    async with upstream.serving(path=str(path)), running_proxy(upstreams=at(path)) as proxy:
        for _ in range(10):
            async with client(proxy.port) as peer:
                await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
                head, body = await peer.response()
                assert (head.split()[1], body) == (b"413", b"no")
