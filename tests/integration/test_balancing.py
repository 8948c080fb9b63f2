"""Which origin a request goes to, by the configured policy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from proxy.config.upstream_model import OriginConfig, UpstreamConfig
from tests.harness.origins import LiveOrigin, live_origins
from tests.harness.origins import ask as asked_of
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, client


@asynccontextmanager
async def named_origins(*names: str, **upstream: Any) -> AsyncIterator[tuple[RunningProxy, Peer]]:
    """A proxy, and a client of it, before origins that answer every request with their name."""

    async with AsyncExitStack() as stack:
        ports = []
        for name in names:
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name.encode())
            origin = ScriptedUpstream(answering(*[answer] * 100))
            await stack.enter_async_context(origin.serving())
            ports.append(origin.port)
        weights = upstream.pop("weights", [1] * len(names))
        origins = [
            OriginConfig(url=f"http://127.0.0.1:{port}", weight=weight)
            for port, weight in zip(ports, weights, strict=True)
        ]
        upstreams = {"default": UpstreamConfig(origins=origins, **upstream)}
        proxy = await stack.enter_async_context(running_proxy(upstreams=upstreams, trusted_networks=["127.0.0.1/32"]))
        yield proxy, await stack.enter_async_context(client(proxy.port))


async def asked(peer: Peer, line: str = "", target: str = "/") -> tuple[str, str]:
    """The name of the origin that answers, and the cookie that it sets."""
    await peer.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n{line}\r\n".encode())
    head, body = await peer.response()
    lines = head.decode().split("\r\n")
    return body.decode(), next((line.partition(": ")[2] for line in lines if line.startswith("Set-Cookie")), "")


async def test_weights_share_requests() -> None:
    async with named_origins("a", "b", weights=[3, 1]) as (_, peer):
        assert "".join([(await asked(peer))[0] for _ in range(8)]) == "aabaaaba"


@pytest.mark.parametrize("policy", ["least_requests", "random_two"])
async def test_an_origin_that_answers_nothing_gets_one_request_and_no_more(policy: str) -> None:
    is_stuck = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.head()
        is_stuck.set()
        await peer.rest()

    slow, quick = ScriptedUpstream(silent), ScriptedUpstream(answering(*[OK] * 100))
    async with (
        slow.serving(),
        quick.serving(),
        running_proxy(slow.port, quick.port, upstream={"balance": policy}) as proxy,
        client(proxy.port) as stuck,
        client(proxy.port) as peer,
        asyncio.timeout(PATIENCE_S),
    ):
        waiting = asyncio.ensure_future(is_stuck.wait())
        for _ in range(64):  # by chance, the first few go to the other
            await stuck.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            answered = asyncio.ensure_future(stuck.response())
            await asyncio.wait((waiting, answered), return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                answered.cancel()
                break
        for _ in range(20):
            assert (await asked(peer))[0] == "ok"
        assert slow.connections == 1


HASHED = [
    # hash_on            what differs between clients, as fields
    ("client_address",   "X-Forwarded-For: 10.0.0.{}\r\n"),
    ("header:X-User",    "X-User: {}\r\n"),
    ("cookie:sid",       "Cookie: sid={}\r\n"),
    ("path",             ""),
]  # fmt: skip


@pytest.mark.parametrize(("hash_on", "line"), HASHED)
async def test_requests_that_are_alike_go_to_the_same_origin(hash_on: str, line: str) -> None:
    async with named_origins("a", "b", balance="hash", hash_on=hash_on) as (_, peer):
        served = set()
        for number in range(20):
            target = f"/{number}" if hash_on == "path" else "/"
            [origin] = {(await asked(peer, line.format(number), f"{target}?{turn}"))[0] for turn in range(3)}
            served.add(origin)
        assert served == {"a", "b"}


async def test_clients_keep_their_origin_by_a_cookie() -> None:
    async with named_origins("a", "b", sticky_cookie="srv") as (_, peer):
        first, cookie = await asked(peer)
        assert cookie.startswith("srv=")
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
        kept = cookie.partition(";")[0]
        assert {await asked(peer, f"Cookie: {kept}\r\n") for _ in range(4)} == {(first, "")}
        second, cookie = await asked(peer)
        assert (await asked(peer, "X-Forwarded-Proto: https\r\n"))[1].endswith("; Secure")
        assert second != first


async def test_backups_are_used_once_no_other_origin_accepts() -> None:
    main, spare = LiveOrigin(), LiveOrigin()
    async with live_origins(main, spare):
        origins = [OriginConfig(url=main.url), OriginConfig(url=spare.url, backup=True)]
        async with running_proxy(upstreams={"default": UpstreamConfig(origins=origins)}) as proxy:
            assert await asked_of(proxy.port, 6) == [200] * 6
            assert spare.requests.total() == 0
            await main.stop()
            assert await asked_of(proxy.port, 1) == [200]
            assert spare.requests.total() == 1
            assert proxy.records[-1].attempts == 2
