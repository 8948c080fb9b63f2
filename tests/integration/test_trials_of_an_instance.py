"""An origin that returns is tried by one request of all workers, whichever of them has one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from proxy.config.upstream_model import UpstreamConfig
from proxy.upstream.health.endpoint import State
from proxy.upstream.health.settings import EjectionSettings
from tests.harness.origins import LiveOrigin, Mood, ask, live_origins
from tests.harness.running_instance import Instance, running_instance
from tests.harness.scripted import client
from tests.harness.waiting import until


@asynccontextmanager
async def one_of_two_on_trial() -> AsyncIterator[tuple[Instance, LiveOrigin]]:
    """Two workers; the first of two origins was ejected, accepts connections again, and says nothing."""
    bad, good = LiveOrigin(), LiveOrigin()
    bad.mood = Mood.BREAKS
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(live_origins(bad, good))
        service = UpstreamConfig(urls=[bad.url, good.url], ejection=EjectionSettings(failures=1, eject_s=0.5))
        instance = await stack.enter_async_context(running_instance(service))
        await until(lambda: not any(worker.health.is_alone for worker in instance.workers))
        while bad.requests["/"] == 0:
            await ask(instance.ports[0], 1)
        bad.requests.clear()
        bad.mood = Mood.WAITS
        await until(lambda: State.TRIAL in states(instance))
        yield instance, bad


def states(instance: Instance) -> list[State]:
    """Of the origin that was ejected, as each worker knows it."""
    return [worker.health.endpoints["default"].items()[0][1].state for worker in instance.workers]


async def test_of_all_workers_one_request_tries_it() -> None:
    async with one_of_two_on_trial() as (instance, bad), AsyncExitStack() as stack:
        before = len(instance.records)
        for _ in range(4):
            for port in instance.ports:
                peer = await stack.enter_async_context(client(port))
                await peer.send(b"GET /trial HTTP/1.1\r\nHost: h\r\n\r\n")
        await until(lambda: bad.requests["/trial"] == 1)
        await until(lambda: len(instance.records) == before + 7)
        for port in instance.ports * 2:
            assert await ask(port, 4) == [200] * 4
        assert bad.requests["/trial"] + bad.requests["/"] == 1
        bad.go_on.set()
        await until(lambda: states(instance) == [State.UP, State.UP])


async def test_a_new_control_process_gives_the_turn_to_one() -> None:
    async with one_of_two_on_trial() as (instance, bad), AsyncExitStack() as stack:
        await instance.restart_control()
        await until(lambda: all(worker.health._heard >= 0 for worker in instance.workers))
        before = len(instance.records)
        for _ in range(4):
            for port in instance.ports:
                peer = await stack.enter_async_context(client(port))
                await peer.send(b"GET /trial HTTP/1.1\r\nHost: h\r\n\r\n")
        await until(lambda: len(instance.records) >= before + 6)
        await until(lambda: bad.requests["/trial"] >= 1)
        assert len(instance.records) == before + 7
        assert bad.requests["/trial"] == 1
        bad.go_on.set()


async def test_the_turn_goes_to_whom_has_requests() -> None:
    for worker in (0, 1):
        async with one_of_two_on_trial() as (instance, bad):
            bad.go_on.set()
            while State.UP not in states(instance):
                assert await ask(instance.ports[worker], 2) == [200] * 2
            await until(lambda instance=instance: states(instance) == [State.UP, State.UP])  # type: ignore[misc]


async def test_a_trial_that_its_client_gives_up_makes_room_for_the_next() -> None:
    async with one_of_two_on_trial() as (instance, bad):
        async with AsyncExitStack() as stack:
            for port in instance.ports * 2:
                peer = await stack.enter_async_context(client(port))
                await peer.send(b"GET /trial HTTP/1.1\r\nHost: h\r\n\r\n")
            await until(lambda: bad.requests["/trial"] == 1)
        bad.go_on.set()
        while State.UP not in states(instance):
            assert await ask(instance.ports[1], 2) == [200] * 2
