"""What the record, the log and the error log tell of who asked for what, and why it was refused."""

import asyncio
import functools
import socket
import time

import pytest

from proxy.telemetry.record import ExchangeRecord
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLIENT_HELLO = bytes.fromhex("16030102000100") + b"\x01\xfc\x03\x03" + bytes(32)


async def refused(proxy: RunningProxy, request: bytes) -> tuple[bytes, bytes, ExchangeRecord]:
    """Send what is refused; the answer's head and body, and the record."""
    async with client(proxy.port) as peer:
        await peer.send(request)
        head, body = await peer.response()
    await proxy.records.wait_for(1)
    return head, body, proxy.records[-1]


REFUSED = [
    # request                                                      status  method   target        version
    (b"GET /a?b HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n",             400,    b"GET",  b"/a?b",      b"1.1"),
    (b"GET /a HTTP/1.1\r\n\r\n",                                   400,    b"GET",  b"/a",        b"1.1"),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nX: \x00\r\n\r\n",             400,    b"GET",  b"/a",        b"1.1"),
    (b"GET /a HTTP/1.1\nHost: h\n\n",                              400,    b"GET",  b"/a",        b"1.1"),
    (b"POST /a HTTP/2.0\r\nHost: h\r\n\r\n",                       505,    b"POST", b"/a",        b"2.0"),
    (b"GET /" + b"x" * 40_000,                                     414,    b"GET",  None,         b""),
    (b"GET /a HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 70_000,         431,    b"GET",  b"/a",        b"1.1"),
    (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",                      400,    b"GET",  b"/a b",      b"1.1"),
]  # fmt: skip


@pytest.mark.parametrize(("request_bytes", "status", "method", "target", "version"), REFUSED)
async def test_a_refused_request_is_recorded_as_far_as_it_arrived(
    request_bytes: bytes, status: int, method: bytes, target: bytes, version: bytes, reader: str
) -> None:
    async with running_proxy(1, reader=reader) as proxy:
        _, _, record = await refused(proxy, request_bytes)
    assert (record.status, record.method, record.http_version) == (status, method, version)
    assert record.target == target if target is not None else record.target.startswith(b"/xxx")


async def test_a_head_that_stops_is_recorded_as_far_as_it_arrived() -> None:
    async with running_proxy(1, timeouts={"request_head_s": 0.2}) as proxy:
        head, _, record = await refused(proxy, b"GET /slow HTTP/1.1\r\nHost: h\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert (record.method, record.target, record.error) == (b"GET", b"/slow", "request_timeout")


@pytest.mark.parametrize(("networks", "recorded"), [(["127.0.0.0/8"], "203.0.113.9"), ([], "127.0.0.1")])
async def test_a_refused_requests_client_is_the_forwarded_one_where_the_peer_is_trusted(
    networks: list[str], recorded: str
) -> None:
    async with running_proxy(1, trusted_networks=networks) as proxy:
        request = b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX : 1\r\n\r\n"
        _, _, record = await refused(proxy, request)
    assert record.client == recorded


OTHERS = [
    (CLIENT_HELLO, "tls_on_plain_listener", b"a TLS hello on a plain HTTP listener"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GET, "unexpected_proxy_header", b"a PROXY protocol header"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + GET, "unexpected_proxy_header", b"a PROXY protocol header"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "code", "said"), OTHERS)
async def test_another_protocol_on_the_port_is_called_by_its_name(
    sent: bytes, code: str | None, said: bytes, reader: str
) -> None:
    async with running_proxy(1, reader=reader) as proxy:
        head, body, record = await refused(proxy, sent)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert said in body
    assert (record.error, record.status) == (code, 400)


async def test_an_ipv4_client_of_an_ipv6_listener_is_an_ipv4_client() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, requests=requests))
    async with upstream.serving(), running_proxy(upstream.port, forwarded=True, listen=["[::]:0"]) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await peer.response()
        await proxy.records.wait_for(1)
    fields = fields_of(requests[0])
    assert fields["x-forwarded-for"] == ["127.0.0.1"]
    assert fields["forwarded"][0].startswith("for=127.0.0.1;")
    assert proxy.records[0].client == "127.0.0.1"


async def test_what_was_dropped_of_an_untrusted_peers_word_is_said_once_with_the_key_that_would_trust_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    upstream = ScriptedUpstream(answering(*[OK] * 3))
    claim = b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        for request in (GET, claim, claim):
            await peer.send(request)
            await peer.response()
    said = [line for line in capfd.readouterr().err.splitlines() if "X-Forwarded" in line]
    assert said == [
        "onehop: warning: X-Forwarded-* from 127.0.0.1 was dropped, because it is not in trusted_networks; "
        'if that is your gateway: trusted_networks = ["127.0.0.1/32"]'
    ]


async def test_a_trusted_peers_word_is_not_complained_of(capfd: pytest.CaptureFixture[str]) -> None:
    upstream = ScriptedUpstream(answering(OK))
    proxy_of = functools.partial(running_proxy, trusted_networks=["127.0.0.1"])
    async with upstream.serving(), proxy_of(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
        await peer.response()
    assert "X-Forwarded" not in capfd.readouterr().err


OPTIONS = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\nConnection: close\r\n"
CHECKS = [
    (OPTIONS, True),
    (OPTIONS + b"X-Forwarded-For: 203.0.113.9\r\n", False),  # of somebody behind a gateway on this machine
    (OPTIONS.replace(b"*", b"/"), False),
    (OPTIONS.replace(b"OPTIONS *", b"TRACE /"), False),
]  # fmt: skip


@pytest.mark.parametrize(("head", "is_check"), CHECKS)
async def test_a_health_check_is_what_asks_this_machine_itself(head: bytes, is_check: bool) -> None:
    async with running_proxy(1) as proxy:
        _, _, record = await refused(proxy, head + b"\r\n")
    assert (record.status, record.is_health_check) == (200, is_check)


async def test_the_record_says_when_the_response_began_not_when_it_ended() -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK[:-1])
        await go_on.wait()
        await peer.send(OK[-1:])
        await peer.rest()

    async with ScriptedUpstream(script).serving() as upstream, running_proxy(upstream.port) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(GET)
            await peer.head()
            read = time.monotonic()
            go_on.set()
            await peer.exactly(2)
        await proxy.records.wait_for(1)
    record = proxy.records[0]
    assert record.started < record.responded <= read
