"""A name with several addresses, of which some are dead, silent or unreachable. On both event loops."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from proxy.config.upstream_model import UpstreamConfig
from proxy.errors import ConnectFailed, ConnectTimeout, LimitReached, ProxyError
from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import Stream
from proxy.upstream.connector import Connector
from proxy.upstream.origin import Origin
from proxy.upstream.resolver import Resolver
from tests.harness.addresses import black_hole, listening, no_descriptors_left, run
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering, client, fields_of
from tests.harness.waiting import until

__all__ = ["run"]

Run = Callable[[Coroutine[Any, Any, None]], None]
LONG_S = 60.0  # whoever waits for this has failed


class Opener:
    """A connector for one name, and what it has open."""

    def __init__(self, *addresses: str, connect_s: float = LONG_S, attempt_delay_s: float = LONG_S) -> None:
        loop = asyncio.get_running_loop()
        self.deadlines = Deadlines(loop)
        resolver = Resolver(loop, timeout_s=LONG_S, lookup=lambda _: addresses)
        self.connector = Connector(self.deadlines, resolver, connect_s=connect_s, attempt_delay_s=attempt_delay_s)

    async def connect(self, port: int) -> Stream:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.create_task(self.connector.connect(Origin("service.example", port)))

    async def failure(self, port: int) -> ProxyError:
        with pytest.raises(ProxyError) as caught:
            await self.connect(port)
        return caught.value


@contextlib.asynccontextmanager
async def no_socket_left_open() -> AsyncIterator[None]:
    before = open_sockets()
    yield
    await until(lambda: open_sockets() <= before)


def open_sockets() -> int:
    count = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the folder's own descriptor is closed by now
            count += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return count


def peer_of(stream: Stream) -> str:
    return str(stream.transport.get_extra_info("peername")[0])


def test_a_silent_address_is_joined_by_the_next_one_and_closed(run: Run) -> None:
    async def scenario() -> None:
        with black_hole("127.0.0.2") as port:
            async with listening("127.0.0.3", port), no_socket_left_open():
                opener = Opener("127.0.0.2", "127.0.0.3", attempt_delay_s=0.01)
                stream = await opener.connect(port)
                assert peer_of(stream) == "127.0.0.3"
                assert opener.deadlines.streams == {stream}
                stream.abort()

    run(scenario())


def test_a_refused_address_is_followed_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with listening("127.0.0.3") as listener:
            stream = await Opener("127.0.0.2", "127.0.0.2", "127.0.0.3").connect(listener.port)
            assert peer_of(stream) == "127.0.0.3"
            stream.abort()

    run(scenario())


def test_each_address_gets_the_whole_time_to_connect(run: Run) -> None:
    async def scenario() -> None:
        with black_hole("127.0.0.2") as port:
            async with listening("127.0.0.3", port):
                # The next one is tried only where the first has used up its time.
                stream = await Opener("127.0.0.2", "127.0.0.3", connect_s=1.0).connect(port)
                assert peer_of(stream) == "127.0.0.3"
                stream.abort()

    run(scenario())


def test_the_first_address_is_used_while_the_second_is_tried(run: Run) -> None:
    async def scenario() -> None:
        # The first is silent until somebody leaves its queue; by then, the second attempt is under way.
        with black_hole("127.0.0.3") as port:
            async with listening("127.0.0.2", port), no_socket_left_open():
                stream = await Opener("127.0.0.2", "127.0.0.3", attempt_delay_s=0.0).connect(port)
                assert peer_of(stream) == "127.0.0.2"
                stream.abort()

    run(scenario())


def test_of_two_that_accept_together_one_is_closed(run: Run) -> None:
    async def scenario() -> None:
        async with listening("127.0.0.2") as first, listening("127.0.0.3", first.port):
            for _ in range(20):
                async with no_socket_left_open():
                    opener = Opener("127.0.0.2", "127.0.0.3", attempt_delay_s=0.0)
                    stream = await opener.connect(first.port)
                    stream.abort()
            # Leaving waits for the losers' ends.

    run(scenario())


def test_a_cancelled_connect_leaves_nothing_open(run: Run) -> None:
    async def scenario() -> None:
        with black_hole("127.0.0.2") as port, black_hole("127.0.0.3", port):
            async with no_socket_left_open():
                before = open_sockets()
                opener = Opener("127.0.0.2", "127.0.0.3", attempt_delay_s=0.0)
                connecting = asyncio.create_task(opener.connect(port))
                await until(lambda: open_sockets() >= before + 2)
                connecting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connecting

    run(scenario())


def test_refused_everywhere_is_a_failure_that_names_every_address(run: Run) -> None:
    async def scenario() -> None:
        error = await Opener("127.0.0.2", "127.0.0.3").failure(1)
        assert type(error) is ConnectFailed
        refused = "Connection refused"
        assert error.detail == f"no connection to service.example:1: 127.0.0.2: {refused}; 127.0.0.3: {refused}"

    run(scenario())


def test_silent_everywhere_is_a_time_out(run: Run) -> None:
    async def scenario() -> None:
        with black_hole("127.0.0.2") as port, black_hole("127.0.0.3", port):
            error = await Opener("127.0.0.2", "127.0.0.3", connect_s=0.1).failure(port)
            assert type(error) is ConnectTimeout
            assert "127.0.0.2: no answer in 0.1 s; 127.0.0.3: no answer in 0.1 s" in error.detail

    run(scenario())


def test_silent_at_one_and_refused_at_the_other_is_a_failure(run: Run) -> None:
    async def scenario() -> None:
        with black_hole("127.0.0.2") as port:
            error = await Opener("127.0.0.2", "127.0.0.3", connect_s=0.5).failure(port)
            assert type(error) is ConnectFailed
            assert "127.0.0.2: no answer in 0.5 s; 127.0.0.3: Connection refused" in error.detail

    run(scenario())


def test_the_other_family_is_tried_second(run: Run) -> None:
    async def scenario() -> None:
        with black_hole("127.0.0.2") as port, black_hole("127.0.0.3", port):
            async with listening("::1", port):
                opener = Opener("127.0.0.2", "127.0.0.3", "::1", attempt_delay_s=0.01)
                stream = await opener.connect(port)
                assert peer_of(stream) == "::1"
                assert opener.deadlines.streams == {stream}
                stream.abort()

    run(scenario())


def test_a_worker_without_descriptors_says_so(run: Run) -> None:
    async def scenario() -> None:
        async with listening("127.0.0.2") as listener:
            opener = Opener("127.0.0.2", "127.0.0.3")
            with no_descriptors_left():
                error = await opener.failure(listener.port)
            assert type(error) is LimitReached
            assert error.code == "out_of_resources"
            assert error.detail.startswith("this proxy is out of resources: 127.0.0.2: ")
            assert error.public_detail == "this proxy is out of resources", "addresses are not for clients"

    run(scenario())


def test_a_request_is_answered_although_the_first_address_is_silent(run: Run) -> None:
    async def scenario() -> None:
        upstream = ScriptedUpstream(answering(OK, OK))
        async with upstream.serving():
            with black_hole("127.0.0.2", upstream.port):
                service = UpstreamConfig(urls=[f"http://service.example:{upstream.port}"])
                async with (
                    running_proxy(
                        upstreams={"default": service},
                        timeouts={"connect_s": 5.0},
                        lookup=lambda _: ["127.0.0.2", "127.0.0.1"],
                    ) as proxy,
                    client(proxy.port) as peer,
                ):
                    await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                    assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
                    assert proxy.records[0].attempts == 1

    run(scenario())


def test_of_a_pinned_address_no_name_is_looked_up(run: Run) -> None:
    async def scenario() -> None:
        async with listening("127.0.0.3") as listener:
            opener = Opener("127.0.0.2")
            pinned = Origin("service.example", listener.port, address="127.0.0.3")
            stream = await asyncio.create_task(opener.connector.connect(pinned))
            assert peer_of(stream) == "127.0.0.3"
            stream.abort()
            with pytest.raises(ConnectFailed) as caught:
                await asyncio.create_task(opener.connector.connect(pinned._replace(address="127.0.0.4")))
            where = f"service.example:{listener.port} (127.0.0.4)"
            assert caught.value.detail == f"no connection to {where}: Connection refused"

    run(scenario())


def test_an_ipv6_origin_is_reached(run: Run) -> None:
    async def scenario() -> None:
        async with listening("::1") as listener:
            deadlines = Deadlines(asyncio.get_running_loop())
            resolver = Resolver(deadlines.loop, timeout_s=LONG_S)
            connecting = Connector(deadlines, resolver, connect_s=LONG_S).connect(Origin("::1", listener.port))
            stream = await asyncio.create_task(connecting)
            assert peer_of(stream) == "::1"
            stream.abort()

    run(scenario())


def test_a_lookup_that_takes_too_long_is_a_504_that_says_so(run: Run) -> None:
    may_answer = threading.Event()

    async def scenario() -> None:
        service = UpstreamConfig(urls=["http://service.example"])
        async with (
            running_proxy(
                upstreams={"default": service},
                timeouts={"name_lookup_s": 0.05},
                lookup=lambda _: [str(may_answer.wait())],
            ) as proxy,
            client(proxy.port) as peer,
        ):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            head, _ = await peer.response()
            assert head.startswith(b"HTTP/1.1 504 ")
            assert "error=dns_timeout" in fields_of(head)["proxy-status"][0]
            assert proxy.records[0].error == "dns_timeout"
            assert proxy.records[0].detail.endswith("took more than 0.05 s")

    try:
        run(scenario())
    finally:
        may_answer.set()
