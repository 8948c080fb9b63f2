"""What the inspector keeps, and who looks on: bounded, in order, and never waiting for a slow page."""

import tracemalloc
from contextlib import AsyncExitStack

import pytest

from proxy.admin.exchanges import Exchanges
from tests.harness.scripted import client
from tests.unit.admin.serving import Counts, serving


async def test_who_comes_later_sees_what_is_kept_and_then_what_is_new() -> None:
    exchanges = Exchanges()
    exchanges.add(b"1")
    with exchanges.looking() as looker:
        exchanges.add(b"2")
        assert [await looker.next(1), await looker.next(1)] == [(1, b"1"), (2, b"2")]
        assert await looker.next(0.01) is None


async def test_a_page_that_comes_back_misses_nothing_and_sees_nothing_twice() -> None:
    exchanges = Exchanges()
    for number in range(5):
        exchanges.add(b"%d" % number)
    with exchanges.looking(after=3) as looker:
        assert [await looker.next(1), await looker.next(1)] == [(4, b"3"), (5, b"4")]
    of_the_next_process = Exchanges(1_000)
    of_the_next_process.add(b"new")
    with of_the_next_process.looking(after=5) as looker:
        assert await looker.next(1) == (1_001, b"new")
    with exchanges.looking(after=999) as looker:  # the number is of a control process that has ended since
        assert await looker.next(1) == (1, b"0")


async def test_a_slow_page_loses_the_oldest_and_holds_nothing_up() -> None:
    exchanges = Exchanges()
    with exchanges.looking() as looker:
        for number in range(10_000):
            exchanges.add(b"%d" % number)
        assert await looker.next(1) == (9_501, b"9500")
        for number in range(10_000, 10_600):
            exchanges.add(b"%d" % number)
        assert await looker.next(1) == (10_101, b"10100")


async def test_what_is_kept_is_bounded_in_number_and_in_bytes() -> None:
    exchanges = Exchanges()
    for _ in range(1_000):
        exchanges.add(b"x")
    with exchanges.looking() as looker:
        assert await looker.next(1) == (501, b"x")
    large = b"x" * 1_000_000
    for _ in range(40):
        exchanges.add(large)
    kept = 0
    with exchanges.looking() as looker:
        while await looker.next(0.01):
            kept += 1
    assert kept == 16


async def test_pages_that_do_not_read_cost_no_memory_and_hold_nobody_up() -> None:
    exchanges = Exchanges()
    async with serving(Counts(), exchanges=exchanges) as admin, AsyncExitStack() as stack:
        for _ in range(14):
            page = await stack.enter_async_context(client(admin.port))
            await page.send(b"GET /inspector/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in await page.head()
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        for number in range(200):  # 100 MiB, of which 16 are kept
            exchanges.add(b"%d" % number * (512 * 1024 // len(b"%d" % number)))
            assert (await admin.get("/livez"))[0] == 200
        held, _ = tracemalloc.get_traced_memory()
        assert held < 40 * 1024 * 1024  # those that are kept, and one that each page's connection is being sent


async def test_only_so_many_may_look_on() -> None:
    exchanges = Exchanges()
    lookers = [exchanges.looking() for _ in range(16)]
    for looker in lookers:
        assert not exchanges.is_full
        looker.__enter__()
    assert exchanges.is_full
    with exchanges.looking() as one_too_many:
        assert one_too_many.is_at_end
    lookers[0].__exit__(None, None, None)
    assert not exchanges.is_full


async def test_who_looks_on_is_told_what_there_was_and_then_of_the_end() -> None:
    exchanges = Exchanges()
    with exchanges.looking() as looker:
        exchanges.add(b"x")
        exchanges.end()
        assert await looker.next(60) == (1, b"x")
        assert await looker.next(60) is None
        assert looker.is_at_end
    with exchanges.looking(after=1) as late:
        assert late.is_at_end


NUMBERS = [
    # Last-Event-ID   what is told first
    (b"1",            b"id: 2\n"),
    (b"",             b"id: 1\n"),
    (b"-1",           b"id: 1\n"),
    (b"9" * 5_000,    b"id: 1\n"),
]  # fmt: skip


@pytest.mark.parametrize(("last", "first"), NUMBERS)
async def test_a_page_says_which_it_saw_last(last: bytes, first: bytes) -> None:
    exchanges = Exchanges()
    exchanges.add(b"{}")
    exchanges.add(b"{}")
    async with serving(Counts(), exchanges=exchanges) as admin, client(admin.port) as peer:
        await peer.send(b"GET /inspector/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %b\r\n\r\n" % last)
        assert (await peer.head()).startswith(b"HTTP/1.1 200 ")
        received = b""
        while b"data" not in received:
            received += await peer.some()
        assert first in received
        exchanges.end()
