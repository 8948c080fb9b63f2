"""Origins that fall silent get one request at a time while others answer, until they answer, too."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from proxy.upstream.health.endpoint import State
from proxy.upstream.health.settings import EjectionSettings
from tests.harness.origins import LiveOrigin, Mood, ask, live_origins, until
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import client


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
            await until(lambda before=before: self._arrived() > before, 0.002)  # type: ignore[misc]
            await asyncio.sleep(0.01)  # forty in a sweep, at most

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
