"""Origins that fall silent get one request at a time while others answer, until they answer, too."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from proxy.config.upstream_model import UpstreamConfig, UpstreamRetryConfig
from proxy.upstream.health.endpoint import State
from proxy.upstream.health.settings import EjectionSettings
from tests.harness.origins import LiveOrigin, Mood, ask, live_origins
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import client
from tests.harness.waiting import until


class Clients:
    """Whoever asks, and may never get an answer."""

    def __init__(self, proxy: RunningProxy, origins: tuple[LiveOrigin, ...], stack: AsyncExitStack) -> None:
        self.proxy = proxy
        self._origins = origins
        self._stack = stack

    @property
    def stalled(self) -> bool:
        """Whether an origin is known to be silent."""
        return bool(self.proxy.worker.health._ejections["default"].stalled)

    async def ask(self, times: int) -> None:
        """Make requests, one after the other: each has arrived somewhere before the next one is made."""
        for _ in range(times):
            before = self._arrived()
            peer = await self._stack.enter_async_context(client(self.proxy.port))
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await until(lambda before=before: self._arrived() > before)  # type: ignore[misc]
            await asyncio.sleep(0.01)  # so that some twenty at most fall between two sweeps

    def _arrived(self) -> int:
        return sum(origin.requests.total() for origin in self._origins)


async def test_an_origin_that_answers_nobody_gets_one_request_at_a_time_until_it_does() -> None:
    silent, good = LiveOrigin(), LiveOrigin()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(live_origins(silent, good))
        proxy = await stack.enter_async_context(running_proxy(silent.port, good.port))
        clients = Clients(proxy, (silent, good), stack)
        silent.mood = Mood.WAITS
        while not clients.stalled:
            await clients.ask(2)
        before = silent.requests.total()
        await clients.ask(20)
        assert silent.requests.total() <= before + 1
        [endpoints] = proxy.worker.health.endpoints.values()
        assert [known.state for _, known in endpoints.items()] == [State.UP, State.UP], "slow is no failure"
        silent.mood = Mood.ANSWERS
        silent.go_on.set()
        await until(lambda: not clients.stalled)
        before = silent.requests.total()
        assert await ask(proxy.port, 10) == [200] * 10
        assert silent.requests.total() >= before + 4


LEFT_ALONE: list[dict[str, Any]] = [
    {"ejection": EjectionSettings(failures=0)},
    {"sticky_cookie": "origin"},
    {"balance": "hash", "hash_on": "header:X-None"},
]


@pytest.mark.parametrize("upstream", LEFT_ALONE)
async def test_not_where_nothing_is_left_out_nor_where_clients_would_lose_their_origin(
    upstream: dict[str, Any],
) -> None:
    silent, good = LiveOrigin(), LiveOrigin()
    async with live_origins(silent, good), running_proxy(silent.port, good.port, upstream=upstream) as proxy:
        assert proxy.worker.health._stalls is None
        assert await ask(proxy.port, 2) == [200] * 2


async def test_a_service_whose_origins_all_take_long_uses_all_of_them() -> None:
    one, two = LiveOrigin(), LiveOrigin()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(live_origins(one, two))
        proxy = await stack.enter_async_context(running_proxy(one.port, two.port))
        clients = Clients(proxy, (one, two), stack)
        one.mood = two.mood = Mood.WAITS
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 1.1:
            await clients.ask(2)
        assert not clients.stalled
        assert abs(one.requests.total() - two.requests.total()) <= 1
        one.go_on.set()
        two.go_on.set()


WAITING = b"%b /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
MOVED = [
    # method  retried where                            answered by another, though its time is not over
    (b"GET",  ["response_timeout"],                    True),
    (b"POST", ["response_timeout"],                    False),
    (b"GET",  ["connect_failure", "reset", "503"],     False),
]  # fmt: skip


@pytest.mark.parametrize(("method", "on", "is_moved"), MOVED)
async def test_what_waits_at_a_silent_origin_goes_elsewhere_where_it_may_be_sent_again(
    method: bytes, on: list[Any], is_moved: bool
) -> None:
    silent, good = LiveOrigin("127.0.0.2"), LiveOrigin()
    silent.mood = Mood.WAITS
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(live_origins(silent, good))
        service = UpstreamConfig(
            urls=[silent.url, good.url],
            ejection=EjectionSettings(failures=1, eject_s=300.0),
            retry=UpstreamRetryConfig(on=on, budget_percent=100),
        )
        proxy = await stack.enter_async_context(running_proxy(upstreams={"default": service}))
        clients = Clients(proxy, (silent, good), stack)
        waiting = await stack.enter_async_context(client(proxy.port))
        await waiting.send(WAITING % method)
        await until(lambda: silent.requests.total() == 1)
        answer = asyncio.create_task(waiting.response())
        while not (answer.done() if is_moved else _hurried(proxy)):
            await clients.ask(1)
        if not is_moved:
            assert not answer.done()
            silent.go_on.set()
        _, body = await answer
        assert body == (b"127.0.0.1" if is_moved else b"127.0.0.2")
        [record] = [record for record in proxy.records if record.target == b"/waits"]
        assert [each.result for each in record.earlier or []] == ["response_stalled"] * is_moved
        [endpoints] = proxy.worker.health.endpoints.values()
        assert [known.state for _, known in endpoints.items()] == [State.UP, State.UP], "slow is no failure"


def _hurried(proxy: RunningProxy) -> bool:
    """Whether a request was hurried, long enough ago for it to have gone elsewhere."""
    stalls = proxy.worker.health._stalls
    assert stalls is not None
    now = asyncio.get_running_loop().time()
    return any(seen.hurried and now - seen.since > 0.9 for seen in stalls._seen.values())
