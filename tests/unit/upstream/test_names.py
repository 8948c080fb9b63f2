"""When a name is looked up again."""

import asyncio
from typing import Any

import pytest

from proxy.upstream.names import Names
from tests.harness.scripted import PATIENCE_S


def following(**how: Any) -> tuple[Names, "asyncio.Queue[list[str]]"]:
    """Names of which each has one address, and what was found."""
    found: asyncio.Queue[list[str]] = asyncio.Queue()

    async def lookup(_: str) -> list[str]:
        return ["192.0.2.1"]

    names = Names(
        asyncio.get_running_loop(),
        lookup,
        on_found=lambda _, addresses: found.put_nowait(addresses),
        on_failed=lambda *_: None,
        **how,
    )
    return names, found


@pytest.mark.parametrize("fails", [True, False])
async def test_while_requests_fail_a_name_is_looked_up_every_second(fails: bool) -> None:
    names, found = following(is_failing=lambda host: fails and host == "moved.example")
    names.follow([("moved.example", 1_000.0)])
    try:
        await found.get()
        async with asyncio.timeout(PATIENCE_S if fails else 1.5):
            await found.get()
        assert fails
    except TimeoutError:
        assert not fails
    finally:
        await names.close()


async def test_a_name_is_looked_up_again_as_soon_as_a_request_fails() -> None:
    names, found = following()
    names.follow([("moved.example", 1_000.0)])
    try:
        async with asyncio.timeout(PATIENCE_S):
            await found.get()
            names.look_again("moved.example")
            names.look_again("other.example")  # which is not followed
            await found.get()
    finally:
        await names.close()


async def test_a_defect_met_by_a_name_is_reported_and_ends_nothing() -> None:
    loop, found, told = asyncio.get_running_loop(), asyncio.Event(), list[dict[str, Any]]()
    lookups = 0

    async def lookup(_: str) -> list[str]:
        nonlocal lookups
        lookups += 1
        if lookups == 1:
            raise ZeroDivisionError
        return ["192.0.2.1"]

    usual = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    names = Names(loop, lookup, on_found=lambda *_: found.set(), on_failed=lambda *_: None)
    names.follow([("moved.example", 0.01)])
    try:
        await asyncio.wait_for(found.wait(), PATIENCE_S)
    finally:
        await names.close()
        loop.set_exception_handler(usual)
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]


@pytest.mark.parametrize("where", ["on_found", "is_failing"])
async def test_a_defect_in_what_follows_from_a_lookup_is_reported_and_ends_nothing(where: str) -> None:
    loop, told, events = asyncio.get_running_loop(), list[dict[str, Any]](), asyncio.Queue[str]()

    def once(what: str) -> None:
        events.put_nowait(what)
        if what == where and not told:
            raise ZeroDivisionError

    async def lookup(_: str) -> list[str]:
        return ["192.0.2.1"]

    def is_failing(_: str) -> bool:
        once("is_failing")
        return False

    usual = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context))
    names = Names(loop, lookup, on_found=lambda *_: once("on_found"), on_failed=lambda *_: None, is_failing=is_failing)
    names.follow([("moved.example", 1_000.0)])  # of which no second lookup would come in time
    try:
        async with asyncio.timeout(PATIENCE_S):
            while await events.get() != where:
                pass
            while await events.get() != "on_found":
                pass
    finally:
        await names.close()
        loop.set_exception_handler(usual)
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
