"""Listeners without TLS: PROXY headers, Unix sockets, redirects to https, and routes that serve only some of them."""

import asyncio
import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from proxy.config.build import listen_addresses
from proxy.config.listener_model import ListenerConfig
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.process.listeners import CannotListen, Listeners, modes
from tests.harness.listeners import listener, tls_proxy
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of
from tests.harness.tls import Authority, authority
from tests.unit.downstream.test_proxy_protocol import V6, v2

__all__ = ["authority"]

GET = b"GET /a?b HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 443\r\n"


def plain(**settings: Any) -> dict[str, ListenerConfig]:
    return {"inner": ListenerConfig(address="127.0.0.1:0", **settings)}


PROXIED = [
    # header                        the client                trusted_networks
    (V1,                            "192.0.2.1",              []),
    (v2(0x21, 0x21, V6),            "2001:db8::1",            []),
    (v2(0x20, 0x00, b""),           "127.0.0.1",              []),
    (b"PROXY UNKNOWN\r\n",          "127.0.0.1",              []),
    (V1,                            "203.0.113.7, 192.0.2.1", ["192.0.2.0/24"]),  # trust is in whom the header names
    (V1,                            "192.0.2.1",              ["127.0.0.0/8"]),
]  # fmt: skip


@pytest.mark.parametrize(("header", "address", "trusted"), PROXIED)
async def test_the_client_is_the_one_that_the_header_names(header: bytes, address: str, trusted: list[str]) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=requests))
    request = GET[:-2] + b"X-Forwarded-For: 203.0.113.7\r\n\r\n"
    async with (
        upstream.serving(),
        running_proxy(
            upstream.port, listen=[], listeners=plain(proxy_protocol=["127.0.0.0/8"]), trusted_networks=trusted
        ) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send_bytewise(header + request)
        assert (await peer.response())[1] == b"ok"
        assert fields_of(requests[0])["x-forwarded-for"] == [address]
        await proxy.records.wait_for(1)
        assert proxy.records[0].client == address.partition(",")[0]


async def test_who_must_begin_with_a_header_and_does_not_is_refused() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, listen=[], listeners=plain(proxy_protocol=["127.0.0.0/8"])) as proxy,
    ):
        for begun in (GET, b"PROXY TCP4 nobody\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31" + bytes(20)):
            async with client(proxy.port) as peer:
                await peer.send(begun)
                head, body = await peer.response()
                assert head.startswith(b"HTTP/1.1 400 ")
                assert b"PROXY header" in body
                assert await peer.ended()
        await proxy.records.wait_for(3)
        assert {record.error for record in proxy.records} == {"no_proxy_header"}
        assert upstream.connections == 0


@pytest.mark.parametrize("header", [V1, v2(0x21, 0x21, V6)])
async def test_a_header_of_anybody_else_is_refused(header: bytes) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, listen=[], listeners=plain(proxy_protocol=["10.0.0.0/8"])) as proxy,
    ):
        async with client(proxy.port) as peer:
            await peer.send(header + GET)
            assert (await peer.response())[0].startswith(b"HTTP/1.1 400 ")
            assert await peer.ended()
        async with client(proxy.port) as peer:
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"


async def test_a_header_that_does_not_come_is_waited_for_no_longer_than_a_handshake() -> None:
    upstream = ScriptedUpstream(answering(OK))
    inner = plain(proxy_protocol=["127.0.0.0/8"])
    async with (
        upstream.serving(),
        running_proxy(upstream.port, listen=[], listeners=inner, timeouts={"handshake_s": 0.1}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(V1[:20])
        async with asyncio.timeout(8):  # the default is 10
            assert await peer.ended()


async def test_tls_begins_behind_the_header(authority: Authority) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=requests))
    public = {"public": listener(authority, proxy_protocol=["127.0.0.0/8"])}
    async with upstream.serving(), tls_proxy(authority, upstream.port, listeners=public) as proxy:

        def visit() -> bytes:
            raw = socket.create_connection(("127.0.0.1", proxy.port))
            raw.sendall(V1)
            with authority.client().wrap_socket(raw, server_hostname="a.example") as tls:
                tls.sendall(GET)
                return tls.recv(8192)

        assert (await asyncio.to_thread(visit)).endswith(b"ok")
        assert fields_of(requests[0])["x-forwarded-for"] == ["192.0.2.1"]
        assert fields_of(requests[0])["x-forwarded-proto"] == ["https"]


# -- Unix sockets --------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def unix_client(path: Path) -> Any:
    peer = Peer(*await asyncio.open_unix_connection(str(path)))
    try:
        yield peer
    finally:
        await peer.close()


@pytest.mark.parametrize(
    ("trusted", "stated"), [([], ["unix"]), (["unix"], ["203.0.113.7, unix"]), (["127.0.0.0/8"], ["unix"])]
)
async def test_clients_on_a_unix_socket_are_called_unix(tmp_path: Path, trusted: list[str], stated: list[str]) -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, requests=requests))
    path = tmp_path / "http.sock"
    async with (
        upstream.serving(),
        running_proxy(upstream.port, listen=[f"unix:{path}"], trusted_networks=trusted, forwarded=True) as proxy,
        unix_client(path) as peer,
    ):
        await peer.send(GET[:-2] + b"X-Forwarded-For: 203.0.113.7\r\n\r\n")
        assert (await peer.response())[1] == b"ok"
        assert fields_of(requests[0])["x-forwarded-for"] == stated
        assert fields_of(requests[0])["forwarded"] == ['for=unknown;host="a.example:8080";proto=http']
        await proxy.records.wait_for(1)
        assert proxy.records[0].client == ("203.0.113.7" if trusted == ["unix"] else "unix")


async def test_a_large_answer_and_an_upload_pass_over_a_unix_socket(tmp_path: Path) -> None:
    body = os.urandom(3_000_000)

    async def echo(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + await peer.exactly(len(body)))
        await peer.rest()

    upstream = ScriptedUpstream(echo)
    path = tmp_path / "http.sock"
    async with (
        upstream.serving(),
        running_proxy(upstream.port, listen=[f"unix:{path}"]),
        unix_client(path) as peer,
    ):
        sending = asyncio.create_task(
            peer.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        )
        assert (await peer.response())[1] == body
        await sending


def bound(path: Path, **settings: Any) -> Listeners:
    listeners = Listeners()
    config = Config(listen=[], listeners={"a": ListenerConfig(address=f"unix:{path}", **settings)})
    listeners.bind(listen_addresses(config), 2, modes(config))
    return listeners


def mode_of(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_a_socket_has_the_mode_that_is_configured_and_goes_with_its_listener(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    for settings, mode in (({}, "0o666"), ({"socket_mode": "0600"}, "0o600"), ({"socket_mode": "660"}, "0o660")):
        listeners = bound(path, **settings)
        assert mode_of(path) == mode
        listeners.close()
        assert not path.exists()


def test_a_stale_socket_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))
    listeners = bound(path)
    with pytest.raises(CannotListen, match="the address is in use"):
        bound(path)
    assert path.exists()
    listeners.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    path.write_text("precious")
    with pytest.raises(CannotListen, match="and is not a socket"):
        bound(path)
    assert path.read_text() == "precious"


# -- redirects and routes ------------------------------------------------------------------------------------------

REDIRECTED = [
    # request                                                     location
    (GET,                                                         b"https://a.example/a?b"),
    (b"GET http://b.example:80/x HTTP/1.1\r\nHost: h\r\n\r\n",    b"https://b.example/x"),
    (b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",               b"https://[::1]/"),
    (b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n",                    b"https://[::1]/"),
    (b"GET //evil.example/ HTTP/1.1\r\nHost: h\r\n\r\n",          b"https://h//evil.example/"),
    (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",                    b"https://h"),
    (b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxy", b"https://h/p"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "location"), REDIRECTED)
async def test_a_listener_may_send_everybody_to_https(request_: bytes, location: bytes) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, listen=[], listeners=plain(redirect_to_https=True)) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(request_)
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 308 Permanent Redirect\r\n")
        assert b"\r\nLocation: %b\r\n" % location in head
        assert upstream.connections == 0


async def test_https_may_be_at_another_port() -> None:
    async with (
        running_proxy(1, listen=[], listeners=plain(redirect_to_https=True, https_port=8443)) as proxy,
        client(proxy.port) as peer,
    ):
        for host in (b"h.example:8080", b"[::1]"):
            await peer.send(b"GET /a?b HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
            name = host.removesuffix(b":8080")
            assert b"\r\nLocation: https://%b:8443/a?b\r\n" % name in (await peer.response())[0]


async def test_a_redirect_needs_a_host() -> None:
    async with (
        running_proxy(1, listen=[], listeners=plain(redirect_to_https=True)) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await peer.response())[0].startswith(b"HTTP/1.1 400 ")


async def test_routes_that_name_the_listener_are_served_there_and_only_there() -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    routes = {
        "site": RouteConfig(upstream="default"),
        "acme": RouteConfig(upstream="default", path="/.well-known/acme-challenge", listeners=["inner"]),
        "secret": RouteConfig(upstream="default", path="/secret", listeners=["other"]),
    }
    listeners = plain(redirect_to_https=True) | {"other": ListenerConfig(address="127.0.0.1:0")}
    async with upstream.serving(), running_proxy(upstream.port, listen=[], listeners=listeners, routes=routes) as proxy:
        async with client(proxy.port) as peer:
            for path, status in ((b"/.well-known/acme-challenge/x", b"200"), (b"/secret", b"308"), (b"/", b"308")):
                await peer.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
                assert (await peer.response())[0].split()[1] == status
        await proxy.records.wait_for(1)
        assert proxy.records[0].route == "acme"


async def test_who_came_to_a_trusted_gateway_by_https_is_not_sent_there_again() -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(
            upstream.port, listen=[], listeners=plain(redirect_to_https=True), trusted_networks=["127.0.0.0/8"]
        ) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET[:-2] + b"X-Forwarded-Proto: https\r\n\r\n")
        assert (await peer.response())[1] == b"ok"
        await peer.send(GET[:-2] + b"X-Forwarded-Proto: http\r\n\r\n")
        assert (await peer.response())[0].startswith(b"HTTP/1.1 308 ")
