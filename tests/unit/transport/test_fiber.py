"""A fiber: who resumes it, what it may await, and how it ends."""

import asyncio
import contextlib
import sys
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from proxy.transport import fiber
from proxy.transport.fiber import Fiber
from proxy.transport.parking import PARKED


class Ends(list[BaseException | None]):
    """What `on_end` was told."""

    def __call__(self, exc: BaseException | None) -> None:
        self.append(exc)


async def test_it_runs_at_once_until_it_parks() -> None:
    seen: list[object] = []

    async def work() -> None:
        seen.append(fiber.running)
        await PARKED
        seen.append("resumed")

    ends = Ends()
    one = Fiber(work(), ends)
    one.resume()
    assert seen == [one]
    assert fiber.running is None
    assert not one.ended
    one.resume()
    assert seen == [one, "resumed"]
    assert one.ended
    assert ends == [None]


async def test_it_awaits_what_asyncio_has() -> None:
    loop = asyncio.get_running_loop()
    results = []
    ended = asyncio.Event()

    async def in_time() -> str:
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return "task"

    async def work() -> None:
        results.append(await loop.create_task(in_time()))
        future = loop.create_future()
        loop.call_soon(future.set_exception, ConnectionResetError())
        with pytest.raises(ConnectionResetError):
            await future
        results.append("error")

    Fiber(work(), lambda _: ended.set()).resume()
    await ended.wait()
    assert results == ["task", "error"]


async def test_an_error_is_raised_where_it_waits() -> None:
    ends = Ends()

    async def work() -> None:
        try:
            await PARKED
        except TimeoutError:
            await PARKED
        raise ValueError("of its own")

    one = Fiber(work(), ends)
    one.resume()
    one.resume(error=TimeoutError())
    assert not one.ended
    one.resume()  # and no error of the fiber comes out here
    assert [type(exc) for exc in ends] == [ValueError]


async def test_one_resumed_by_another_gives_the_turn_back() -> None:
    order = []

    async def inner() -> None:
        order.append(fiber.running)
        await PARKED
        order.append(fiber.running)

    async def outer() -> None:
        second.resume()
        order.append(fiber.running)

    first, second = Fiber(outer()), Fiber(inner())
    second.resume()
    first.resume()
    assert order == [second, second, first]


async def test_cancelling_ends_it_before_it_returns() -> None:
    ends = Ends()
    cleaned = []

    async def work() -> None:
        try:
            await PARKED
        finally:
            cleaned.append(True)

    one = Fiber(work(), ends)
    one.resume()
    one.cancel()
    assert cleaned == [True]
    assert one.ended
    assert [type(exc) for exc in ends] == [asyncio.CancelledError]
    one.cancel()  # again: nothing
    assert len(ends) == 1


async def test_cancelling_cancels_what_it_awaits() -> None:
    future = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await future

    one = Fiber(work(), Ends())
    one.resume()
    one.cancel()
    assert one.ended
    assert future.cancelled()
    await asyncio.sleep(0)  # a callback left behind would resume what has ended


async def test_joining_waits_for_the_end() -> None:
    ended = asyncio.Event()

    async def short() -> None:
        await PARKED

    async def long() -> None:
        await other.join()
        await other.join()  # ended already: at once

    other = Fiber(short())
    other.resume()
    waiting = Fiber(long(), lambda _: ended.set())
    waiting.resume()
    assert not waiting.ended
    other.resume()
    assert waiting.ended
    assert ended.is_set()


async def test_a_failure_that_nobody_is_told_of_is_said() -> None:
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["exception"]))

    async def work() -> None:
        raise ValueError("a defect")

    Fiber(work()).resume()
    assert [str(exc) for exc in said] == ["a defect"]


async def test_what_one_fiber_handles_while_it_waits_is_nothing_to_another() -> None:
    handled: list[BaseException] = []

    async def handle(number: int) -> None:
        try:
            raise ValueError(number)
        except ValueError as exc:
            await PARKED
            handled.append(exc)

    fibers = [Fiber(handle(number)) for number in range(3)]
    for each in fibers:
        each.resume()
    assert sys.exc_info() == (None, None, None)
    for each in fibers:
        each.resume()
    assert [(exc.args, exc.__context__) for exc in handled] == [((0,), None), ((1,), None), ((2,), None)]


class Foreign(Coroutine[Any, Any, object]):
    """A coroutine that is not Python's own, as compiled ones are not."""

    def __init__(self, own: Coroutine[Any, Any, object]) -> None:
        self._own = own
        self.closed = False

    def __await__(self) -> Generator[Any, Any, object]:
        return self

    def __iter__(self) -> "Foreign":
        return self

    def __next__(self) -> object:
        return self._own.send(None)

    def send(self, value: Any) -> object:
        return self._own.send(value)

    def throw(self, *given: Any) -> object:
        return self._own.throw(*given)

    def close(self) -> None:
        self.closed = True
        self._own.close()


async def test_a_foreign_coroutine_is_resumed_and_interrupted_as_any_other() -> None:
    met: list[object] = []
    ends = Ends()
    future = asyncio.get_running_loop().create_future()

    async def work() -> int:
        for _ in range(3):
            try:
                await PARKED
                met.append("resumed")
            except ValueError as exc:
                met.append(exc.args)
        met.append(await future)
        try:
            await PARKED
        finally:
            await PARKED
        return 1

    one = Fiber(Foreign(work()), ends)
    one.resume()
    one.resume(ValueError(1))
    one.resume(ValueError(2))  # right behind
    one.resume()
    future.set_result("awaited")
    await asyncio.sleep(0)
    one.resume(KeyError())
    assert met == [(1,), (2,), "resumed", "awaited"]
    assert not ends
    one.resume()
    assert [type(exc) for exc in ends] == [KeyError]
    assert sys.exc_info() == (None, None, None)


@pytest.mark.parametrize("thrown", [False, True])
async def test_a_foreign_coroutine_may_end_well(thrown: bool) -> None:
    ends = Ends()

    async def work() -> str:
        with contextlib.suppress(ValueError):
            await PARKED
        return "done"

    one = Fiber(Foreign(work()), ends)
    one.resume()
    one.resume(ValueError() if thrown else None)
    assert ends == [None]


async def test_a_foreign_coroutine_may_be_cancelled_before_it_begins() -> None:
    ends = Ends()

    async def work() -> None:
        raise AssertionError

    coroutine = work()
    Fiber(Foreign(coroutine), ends).cancel()
    coroutine.close()
    assert [type(exc) for exc in ends] == [asyncio.CancelledError]


async def test_a_foreign_coroutine_is_closed_with_its_fiber() -> None:
    async def work() -> None:
        await PARKED

    coroutine = Foreign(work())
    one = Fiber(coroutine)
    one.resume()
    one._coroutine.close()
    assert coroutine.closed
