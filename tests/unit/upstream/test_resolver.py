"""Looking names up: once at a time per name, bounded in time, and no name waits for another."""

import asyncio
import contextlib
import errno
import socket
import threading

import pytest

from proxy.errors import ConnectTimeout, NameNotFound, ProxyError
from proxy.upstream.resolver import Resolver, interleaved, system_lookup

INTERLEAVED = [
    # found                         tried in this order
    ([],                            []),
    (["1", "2"],                    ["1", "2"]),
    (["a:", "b:"],                  ["a:", "b:"]),
    (["a:", "b:", "1", "2"],        ["a:", "1", "b:", "2"]),
    (["1", "a:"],                   ["1", "a:"]),
    (["1", "2", "3", "a:"],         ["1", "a:", "2", "3"]),
    (["a:", "1", "2", "3"],         ["a:", "1", "2", "3"]),
]  # fmt: skip


@pytest.mark.parametrize(("found", "order"), INTERLEAVED)
def test_families_take_turns_and_the_resolvers_order_is_kept_within_each(found: list[str], order: list[str]) -> None:
    assert interleaved(found) == order


class Names:
    """A resolver's answers, each given when the test says so."""

    def __init__(self, **answers: list[str] | Exception) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host == "silent":
            self.may_answer.wait()
        answer = self.answers.get(host, ["127.0.0.1"])
        if isinstance(answer, Exception):
            raise answer
        return answer


def resolver(names: Names, timeout_s: float = 10.0) -> Resolver:
    return Resolver(asyncio.get_running_loop(), timeout_s=timeout_s, lookup=names)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "2001:db8::7"])
async def test_an_address_is_not_looked_up(address: str) -> None:
    names = Names()
    assert await resolver(names).addresses(address) == [address]
    assert names.asked == []


async def test_all_who_ask_for_a_name_share_one_lookup_and_its_answer_is_kept_for_a_moment() -> None:
    names = Names(a=["10.0.0.1", "10.0.0.2", "10.0.0.1"])
    looking = resolver(names)
    answers = await asyncio.gather(*(looking.addresses("a") for _ in range(5)))
    assert answers == [["10.0.0.1", "10.0.0.2"]] * 5
    await looking.addresses("a")
    assert names.asked == ["a"]


async def test_an_answer_is_forgotten_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.upstream.resolver._KEEP_S", 0.0)
    names = Names()
    looking = resolver(names)
    async with asyncio.timeout(10):
        while len(names.asked) < 2:
            await looking.addresses("a")
            await asyncio.sleep(0)


async def test_a_silent_name_is_bounded_in_time_and_delays_no_other() -> None:
    names = Names()
    names.may_answer.clear()
    looking = resolver(names, timeout_s=0.05)
    waiting = [asyncio.create_task(looking.addresses("silent")) for _ in range(40)]
    assert await looking.addresses("a") == ["127.0.0.1"]
    for one in waiting:
        with pytest.raises(ConnectTimeout) as caught:
            await one
        assert (caught.value.code, caught.value.proxy_status, caught.value.status) == ("dns_timeout",) * 2 + (504,)
    assert names.asked.count("silent") == 1
    looking._timeout_s = 1000.0
    with pytest.raises(ConnectTimeout):
        async with asyncio.timeout(5):
            await looking.addresses("silent")  # it is known to be late: nobody else waits for it
    names.may_answer.set()
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(ConnectTimeout):
                assert await looking.addresses("silent") == ["127.0.0.1"], "what came late is used all the same"
                break
            await asyncio.sleep(0)


async def known_then_silent(names: Names, monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """A name whose addresses were found once, and that is to be looked up again."""
    monkeypatch.setattr("proxy.upstream.resolver._KEEP_S", 0.0)
    looking = resolver(names)
    assert await looking.addresses("silent") == ["10.0.0.1"]
    names.may_answer.clear()
    async with asyncio.timeout(10):
        while "silent" in looking._answers:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return looking


async def test_while_no_name_server_answers_the_last_known_addresses_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(silent=["10.0.0.1"])
    looking = await known_then_silent(names, monkeypatch)
    assert await looking.addresses("silent") == ["10.0.0.1"]
    monkeypatch.setattr("proxy.upstream.resolver._LATE_S", 1000.0)
    async with asyncio.timeout(5):  # less than the lookup's own time-out
        assert await looking.addresses("silent") == ["10.0.0.1"], "only the first waits for a lookup that is late"
    names.answers["silent"] = ["10.0.0.2"]
    names.may_answer.set()
    async with asyncio.timeout(10):
        while await looking.addresses("silent") != ["10.0.0.2"]:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_last_known_addresses_are_not_used_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(silent=["10.0.0.1"])
    looking = await known_then_silent(names, monkeypatch)
    monkeypatch.setattr("proxy.upstream.resolver._STALE_S", 0.0)
    looking._timeout_s = 0.01
    with pytest.raises(ConnectTimeout):
        await looking.addresses("silent")
    names.may_answer.set()


@pytest.mark.parametrize("error", [socket.EAI_AGAIN, socket.EAI_NONAME])
async def test_a_name_server_that_fails_leaves_the_last_known_addresses_and_one_that_says_no_does_not(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(silent=["10.0.0.1"])
    looking = await known_then_silent(names, monkeypatch)
    names.answers["silent"] = socket.gaierror(error, "failed")
    names.may_answer.set()
    if error == socket.EAI_AGAIN:
        assert await looking.addresses("silent") == ["10.0.0.1"]
    else:
        with pytest.raises(NameNotFound):
            await looking.addresses("silent")


FAILURES = [
    # the lookup says                                   error            code
    (socket.gaierror(socket.EAI_NONAME, "not known"),   NameNotFound,    "dns_error"),
    (socket.gaierror(socket.EAI_AGAIN, "try again"),    NameNotFound,    "dns_error"),
    ([],                                                NameNotFound,    "dns_error"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "error", "code"), FAILURES)
async def test_a_name_without_an_address_is_told_apart(
    answer: list[str] | Exception, error: type[ProxyError], code: str
) -> None:
    with pytest.raises(error) as caught:
        await resolver(Names(a=answer)).addresses("a")
    assert (caught.value.code, caught.value.proxy_status) == (code, code)


async def test_our_own_shortage_is_not_the_names_fault() -> None:
    with pytest.raises(OSError, match="Too many open files"):
        await resolver(Names(a=OSError(errno.EMFILE, "Too many open files"))).addresses("a")


async def test_a_defect_of_a_lookup_leaves_nobody_waiting() -> None:
    with pytest.raises(UnicodeError):
        await resolver(Names(a=UnicodeError())).addresses("a")


async def test_a_request_that_gives_up_leaves_the_lookup_to_the_others() -> None:
    names = Names()
    names.may_answer.clear()
    looking = resolver(names)
    one, two = (asyncio.create_task(looking.addresses("silent")) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    names.may_answer.set()
    assert await two == ["127.0.0.1"]


def test_an_answer_behind_the_end_of_the_loop_is_dropped() -> None:
    names = Names()
    names.may_answer.clear()

    async def ask_and_leave() -> None:
        with pytest.raises(ConnectTimeout):
            await resolver(names, timeout_s=0.01).addresses("silent")

    asyncio.run(ask_and_leave())
    thread = next(thread for thread in threading.enumerate() if thread.name == "lookup silent")
    assert thread.daemon, "else a silent server would hold up the end of a worker"
    names.may_answer.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_systems_resolver_knows_this_host() -> None:
    assert {"127.0.0.1", "::1"} & set(system_lookup("localhost"))
