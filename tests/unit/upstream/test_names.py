"""When a name is looked up again."""

import asyncio

import pytest

from proxy.upstream.names import Names
from tests.harness.scripted import PATIENCE_S


@pytest.mark.parametrize("fails", [True, False])
async def test_while_requests_fail_a_name_is_looked_up_every_second(fails: bool) -> None:
    found: asyncio.Queue[list[str]] = asyncio.Queue()

    async def lookup(_: str) -> list[str]:
        return ["192.0.2.1"]

    names = Names(
        asyncio.get_running_loop(),
        lookup,
        on_found=lambda _, addresses: found.put_nowait(addresses),
        on_failed=lambda *_: None,
        is_failing=lambda host: fails and host == "moved.example",
    )
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
