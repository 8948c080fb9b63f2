"""https:// origins: whom the proxy believes, what it says of failures, and that nothing is cut unseen. On both loops."""

import contextlib
import datetime
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from proxy.transport.tls import client_context
from tests.fault.test_last_words import service
from tests.harness.addresses import run
from tests.harness.running_proxy import RunningProxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of
from tests.harness.tls import Authority, authority, in_front_of

__all__ = ["authority", "run"]

Run = Callable[[Coroutine[Any, Any, None]], None]
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


async def failure(proxy: RunningProxy) -> tuple[str | None, str, bytes]:
    """The code in the log, the type in Proxy-Status, and what the log says more."""
    async with client(proxy.port) as peer:
        await peer.send(GET)
        head, body = await peer.response()
    assert head.startswith(b"HTTP/1.1 502 ")
    record = proxy.records[0]
    assert record.detail.encode() not in body
    kind = fields_of(head)["proxy-status"][0].partition("error=")[2].partition(";")[0]
    return record.error, kind, record.detail.encode()


def test_a_service_is_verified_and_its_connection_reused(run: Run, authority: Authority) -> None:
    async def scenario() -> None:
        requests: list[bytes] = []
        upstream = ScriptedUpstream(answering(OK, OK, requests=requests))
        async with upstream.serving(authority.server()), in_front_of(upstream, ca=authority.pem) as proxy:
            async with client(proxy.port) as peer:
                for _ in range(2):
                    await peer.send(GET)
                    assert (await peer.response())[1] == b"ok"
            assert upstream.connections == 1
            assert authority.asked_for == ["service.example"]
            assert len(requests) == 2

    run(scenario())


def test_the_systems_certificate_authorities_are_trusted_by_default(
    run: Run, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.pem)  # where OpenSSL finds the system's

    async def scenario() -> None:
        upstream = ScriptedUpstream(answering(OK))
        async with upstream.serving(authority.server()), in_front_of(upstream) as proxy, client(proxy.port) as peer:
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"

    client_context.cache_clear()
    try:
        run(scenario())
    finally:
        client_context.cache_clear()


def test_another_name_can_be_asked_for_and_verified(run: Run, authority: Authority) -> None:
    async def scenario() -> None:
        upstream = ScriptedUpstream(answering(OK))
        settings = {"ca": authority.pem, "server_name": "inner.example"}
        async with (
            upstream.serving(authority.server("inner.example")),
            in_front_of(upstream, **settings) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
            assert authority.asked_for == ["inner.example"]

    run(scenario())


def test_an_address_is_verified_as_one(run: Run, authority: Authority) -> None:
    async def scenario() -> None:
        upstream = ScriptedUpstream(answering(OK))
        async with (
            upstream.serving(authority.server("127.0.0.1")),
            in_front_of(upstream, "127.0.0.1", ca=authority.pem) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"

    run(scenario())


T = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)

REFUSED = [
    # names             validity                             our settings   the log says
    (["other.example"], {},                                  {},            b"Hostname mismatch"),
    ([],                {"not_before": T, "not_after": T},   {},            b"certificate has expired"),
    ([],                {},                                  {"ca": ""},    b"unable to get local issuer"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "validity", "settings", "said"), REFUSED)
def test_a_certificate_that_does_not_verify_is_refused(
    run: Run, authority: Authority, names: list[str], validity: dict[str, Any], settings: dict[str, str], said: bytes
) -> None:
    async def scenario() -> None:
        upstream = ScriptedUpstream(answering(OK))
        server = authority.server(*names, **validity)
        async with (
            upstream.serving(server),
            in_front_of(upstream, **{"ca": authority.pem, **settings}) as proxy,
        ):
            code, kind, detail = await failure(proxy)
            assert (code, kind) == ("tls_certificate_error",) * 2
            assert said in detail

    run(scenario())


@pytest.mark.parametrize("name", ["", "inner.example"])
def test_without_verification_any_certificate_will_do(run: Run, authority: Authority, name: str) -> None:
    async def scenario() -> None:
        upstream = ScriptedUpstream(answering(OK))
        async with (
            upstream.serving(authority.server("other.example")),
            in_front_of(upstream, verify=False, server_name=name) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(GET)
            assert (await peer.response())[1] == b"ok"
            assert authority.asked_for == [name or "service.example"]

    run(scenario())


def test_a_service_that_speaks_no_tls_is_told_as_such(run: Run, authority: Authority) -> None:
    async def speaks_plainly(peer: Peer) -> None:
        await peer.some()
        await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async def scenario() -> None:
        upstream = ScriptedUpstream(speaks_plainly)
        async with upstream.serving(), in_front_of(upstream, ca=authority.pem) as proxy:
            code, kind, detail = await failure(proxy)
            assert (code, kind) == ("tls_protocol_error",) * 2
            assert b"wrong version number" in detail

    run(scenario())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("apart", [False, True], ids=["key in the same file", "key in a file of its own"])
def test_our_own_certificate_is_shown_to_a_service_that_asks(
    run: Run, authority: Authority, apart: bool, version: ssl.TLSVersion
) -> None:
    shown: list[bytes | None] = []

    def serve(connection: socket.socket) -> None:
        with server.wrap_socket(connection, server_side=True) as tls:
            shown.append(tls.getpeercert(binary_form=True))
            tls.recv(8192)
            tls.sendall(OK)

    async def scenario() -> None:
        ours = {"certificate": authority.client_pem}
        if apart:
            ours = {"certificate": authority.client_certificate, "key": authority.client_key}
        upstream = ScriptedUpstream()
        with service(serve) as upstream.port:
            async with in_front_of(upstream, ca=authority.pem, **ours) as proxy, client(proxy.port) as peer:
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
        assert shown == [authority.client_der]

    server = authority.server()
    authority.asks_for_a_certificate(server)
    server.maximum_version = version
    run(scenario())


@pytest.mark.parametrize(
    ("version", "said"),
    # With TLS 1.3, the service judges us only after our handshake is over.
    [(ssl.TLSVersion.TLSv1_2, b"handshake failure"), (ssl.TLSVersion.TLSv1_3, b"certificate required")],
)
def test_a_service_that_refuses_us_is_told_as_such(
    run: Run, authority: Authority, version: ssl.TLSVersion, said: bytes
) -> None:
    server = authority.server()
    authority.asks_for_a_certificate(server)
    server.maximum_version = version

    def refuse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ssl.SSLError):
            server.wrap_socket(connection, server_side=True)

    async def scenario() -> None:
        upstream = ScriptedUpstream()
        with service(refuse) as upstream.port:
            async with in_front_of(upstream, ca=authority.pem) as proxy:
                code, kind, detail = await failure(proxy)
            assert (code, kind) == ("tls_alert_received",) * 2
            assert said in detail

    run(scenario())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(run: Run, authority: Authority, version: ssl.TLSVersion) -> None:
    resumed: list[bool] = []

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            resumed.append(bool(tls.session_reused))
            tls.recv(8192)
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    async def scenario() -> None:
        upstream = ScriptedUpstream()
        with service(serve) as upstream.port:
            async with in_front_of(upstream, ca=authority.pem) as proxy, client(proxy.port) as peer:
                for _ in range(3):
                    await peer.send(GET)
                    assert (await peer.response())[1] == b"ok"
        assert resumed == [False, True, True]

    context = authority.server()
    context.minimum_version = context.maximum_version = version
    run(scenario())


def test_no_older_version_is_spoken_than_the_least(run: Run, authority: Authority) -> None:
    def refuse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ssl.SSLError):
            server.wrap_socket(connection, server_side=True)

    async def scenario() -> None:
        upstream = ScriptedUpstream()
        with service(refuse) as upstream.port:
            async with in_front_of(upstream, ca=authority.pem, min_version="1.3") as proxy:
                code, kind, detail = await failure(proxy)
        assert (code, kind) == ("tls_alert_received",) * 2
        assert b"protocol version" in detail

    server = authority.server()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    run(scenario())


def test_large_bodies_pass_both_ways(run: Run, authority: Authority) -> None:
    body = bytes(range(256)) * 8192

    async def echo(peer: Peer) -> None:
        await peer.head()
        received = await peer.exactly(len(body))
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received) + received)
        await peer.rest()

    async def scenario() -> None:
        upstream = ScriptedUpstream(echo)
        async with (
            upstream.serving(authority.server()),
            in_front_of(upstream, ca=authority.pem) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert (await peer.response())[1] == body

    run(scenario())
