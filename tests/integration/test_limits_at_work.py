"""Limits for all, on the wire: each case breaks a limit that was configured, and would not break the default."""

import asyncio

import pytest

from proxy.config.route_model import RespondConfig, RouteConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client, fields_of

POST = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def asking(*fields: str, target: str = "/") -> str:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: h", *fields]) + "\r\n\r\n"


REQUESTS = [
    # limit                          a request that breaks it                                       the answer
    ({"request_head_bytes": 1024},    asking("A: " + "x" * 2000),                                    431),
    ({"target_bytes": 256},           asking(target="/" + "x" * 300),                                414),
    ({"field_count": 8},              asking(*(f"A{n}: 1" for n in range(10))),                      431),
    ({"nominations": 2},              asking("Connection: a, b, c"),                                 431),
    ({"request_body_bytes": 4},       f"{POST}5\r\nhello\r\n0\r\n\r\n",                              413),
    ({"trailer_bytes": 16},           f"{POST}2\r\nhi\r\n0\r\nA: {'x' * 40}\r\n\r\n",                431),
    ({"chunk_extension_bytes": 8},    f"{POST}2;a={'x' * 40}\r\nhi\r\n0\r\n\r\n",                    400),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "request_", "status"), REQUESTS, ids=[next(iter(row[0])) for row in REQUESTS])
async def test_a_request_beyond_a_limit(limit: dict[str, int], request_: str, status: int, reader: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.rest()

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits=limit, reader=reader) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(request_.encode())
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert fields_of(head)["connection"] == ["close"]


HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </%b>\r\n\r\n"
RESPONSES = [
    # limit                          a response that breaks it
    ({"response_head_bytes": 1024},   OK.replace(b"\r\n\r\n", b"\r\nA: " + b"x" * 2000 + b"\r\n\r\n")),
    ({"interim_responses": 2},        HINT % b"a" * 3 + OK),
    ({"interim_bytes": 64},           HINT % (b"a" * 80) + OK),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "response"), RESPONSES, ids=[next(iter(row[0])) for row in RESPONSES])
async def test_a_response_beyond_a_limit(limit: dict[str, int], response: bytes, reader: str) -> None:
    upstream = ScriptedUpstream(answering(response))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits=limit, reader=reader) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(asking().encode())
        while (head := await peer.head()).startswith(b"HTTP/1.1 103 "):
            continue
        assert head.startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("setting", ["idle_per_origin=0", "max_requests=1"])
async def test_a_connection_that_the_pool_may_not_keep_serves_one_request(setting: str) -> None:
    name, _, value = setting.partition("=")
    upstream = ScriptedUpstream(answering(OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, pool={name: int(value)}) as proxy,
        client(proxy.port) as peer,
    ):
        for _ in range(2):
            await peer.send(asking().encode())
            assert (await peer.response())[1] == b"ok"
    assert upstream.connections == 2


async def test_a_connection_is_replaced_after_max_age_s() -> None:
    upstream = ScriptedUpstream(answering(OK, OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, pool={"max_age_s": 0.05}) as proxy,
        client(proxy.port) as peer,
    ):
        for _ in range(3):
            await peer.send(asking().encode())
            assert (await peer.response())[1] == b"ok"
            await asyncio.sleep(0.06)  # its age is looked at when it comes back
    assert upstream.connections > 1


async def test_a_request_that_has_passed_often_enough_is_a_loop() -> None:
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, requests=requests))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, limits={"passes": 1}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(asking().encode())
        assert (await peer.response())[1] == b"ok"
        await peer.send(asking(f"Via: {fields_of(requests[0])['via'][0]}").encode())
        assert (await peer.response())[0].startswith(b"HTTP/1.1 508 ")


async def test_beyond_memory_bytes_there_is_no_place_for_newcomers() -> None:
    routes = {"r": RouteConfig(respond=RespondConfig(body="ok"))}
    times, limits = {"client_queue_s": 0.0}, {"memory_bytes": 1}
    async with (
        running_proxy(upstreams={}, routes=routes, limits=limits, timeouts=times) as proxy,
        asyncio.timeout(PATIENCE_S),
    ):
        head = b""
        while not head.startswith(b"HTTP/1.1 503 "):  # from the first look at the memory on
            async with client(proxy.port) as newcomer:
                await newcomer.send(asking().encode())
                head, _ = await newcomer.response()
            await asyncio.sleep(0.01)
        assert "error=connection_limit_reached" in fields_of(head)["proxy-status"][0]
