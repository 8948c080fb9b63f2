"""The names of upstreams: all their addresses are used, changes are followed, and what fails changes nothing."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, Literal

import pytest

from proxy.config.upstream_model import UpstreamConfig, UpstreamRetryConfig, UpstreamTlsConfig
from proxy.upstream.names import is_name
from tests.harness.addresses import black_hole
from tests.harness.origins import LiveOrigin, Mood, ask, live_origins
from tests.harness.running_instance import Instance, running_instance
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of
from tests.harness.tls import Authority, authority
from tests.harness.waiting import until

__all__ = ["authority"]


class Names:
    """What the system's resolver says; a name that is None does not answer until `may_answer`."""

    def __init__(self, **answers: list[str] | OSError | None) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.may_answer = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answer = self.answers[host.partition(".")[0]]
        if answer is None:
            self.may_answer.wait()
            return []
        if isinstance(answer, OSError):
            raise answer
        return answer


@pytest.fixture
def at_two_addresses() -> Callable[[], tuple[LiveOrigin, LiveOrigin]]:
    def make() -> tuple[LiveOrigin, LiveOrigin]:
        with socket.socket() as one:  # a port that is free on both
            one.bind(("127.0.0.2", 0))
            port = one.getsockname()[1]
        return LiveOrigin("127.0.0.2", port), LiveOrigin("127.0.0.3", port)

    return make


def at(port: int, resolve_s: float = 0.1) -> UpstreamConfig:
    return UpstreamConfig(urls=[f"http://app.example:{port}"], resolve_s=resolve_s)


def used(instance: Instance, worker: int = 0, upstream: str = "default") -> list[str]:
    """The addresses that a worker uses."""
    return [origin.address for origin, _ in instance.workers[worker].health.endpoints[upstream].items()]


Two = Callable[[], tuple[LiveOrigin, LiveOrigin]]


async def test_all_addresses_of_a_name_are_used_alike(at_two_addresses: Two) -> None:
    one, two = at_two_addresses()
    names = Names(app=["127.0.0.2", "127.0.0.3"])
    async with live_origins(one, two), running_instance(at(one.port), lookup=names) as instance:
        for worker in (0, 1):
            await until(lambda worker=worker: used(instance, worker) == ["127.0.0.2", "127.0.0.3"])  # type: ignore[misc]
        one.requests.clear()
        for port in instance.ports:
            assert await ask(port, 10) == [200] * 10
        assert (one.requests["/"], two.requests["/"]) == (10, 10)


async def test_a_service_that_moves_is_followed_and_what_runs_is_finished(at_two_addresses: Two) -> None:
    one, two = at_two_addresses()
    names = Names(app=["127.0.0.2"])
    async with live_origins(one, two), running_instance(at(one.port), workers=1, lookup=names) as instance:
        await until(lambda: used(instance) == ["127.0.0.2"])
        one.mood = Mood.WAITS
        async with client(instance.ports[0]) as waiting, client(instance.ports[0]) as idle:
            await waiting.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            await until(lambda: one.requests["/slow"] == 1)
            one.mood = Mood.ANSWERS
            await idle.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await idle.response()
            names.answers["app"] = ["127.0.0.3"]
            await until(lambda: used(instance) == ["127.0.0.3"])
            await until(lambda: one.open_connections == 1)  # that of the exchange under way
            assert await ask(instance.ports[0], 3) == [200] * 3
            assert two.requests["/"] == 3
            one.go_on.set()
            head, body = await waiting.response()
            assert head.startswith(b"HTTP/1.1 200 ")
            assert body == b"127.0.0.2"
            await until(lambda: one.open_connections == 0)


@pytest.mark.parametrize("balance", ["round_robin", "least_requests"])
async def test_a_request_that_no_address_accepts_goes_where_the_name_leads_now(
    at_two_addresses: Two, balance: Literal["round_robin", "least_requests"]
) -> None:
    one, two = at_two_addresses()
    told, found = Names(app=["127.0.0.2"]), Names(app=["127.0.0.3"])  # control has not looked it up again yet
    service = UpstreamConfig(urls=[f"http://app.example:{one.port}"], resolve_s=1_000.0, balance=balance)
    async with live_origins(two), running_instance(service, lookup=told, worker_lookup=found, workers=1) as instance:
        await until(lambda: used(instance) == ["127.0.0.2"])
        async with client(instance.ports[0]) as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
            head, body = await peer.response()
        assert (head[:13], body) == (b"HTTP/1.1 200 ", b"127.0.0.3")
        told.answers["app"] = ["127.0.0.3"]  # the failure makes control look
        await until(lambda: used(instance) == ["127.0.0.3"])
        assert await ask(instance.ports[0]) == [200]
        assert two.connections == 1, "the connection is known by what the control process calls it"


NO_RETRIES: list[dict[str, Any]] = [{"attempts": 1}, {"on": ["reset"]}]


@pytest.mark.parametrize("retry", NO_RETRIES)
async def test_nothing_is_sent_elsewhere_where_that_is_not_wanted(at_two_addresses: Two, retry: dict[str, Any]) -> None:
    one, two = at_two_addresses()
    told, found = Names(app=["127.0.0.2"]), Names(app=["127.0.0.3"])
    service = UpstreamConfig(
        urls=[f"http://app.example:{one.port}"], resolve_s=1_000.0, retry=UpstreamRetryConfig(**retry)
    )
    async with live_origins(two), running_instance(service, lookup=told, worker_lookup=found, workers=1) as instance:
        await until(lambda: used(instance) == ["127.0.0.2"])
        assert await ask(instance.ports[0]) == [502]
        assert two.connections == 0


async def test_a_failure_is_told_before_the_name_is_looked_up(at_two_addresses: Two) -> None:
    one, _ = at_two_addresses()
    told, silent = Names(app=["127.0.0.2"]), Names(app=None)
    try:
        async with (
            running_instance(at(one.port, 1_000.0), lookup=told, worker_lookup=silent, workers=1) as instance,
            client(instance.ports[0]) as peer,
        ):
            await until(lambda: used(instance) == ["127.0.0.2"])
            endpoints = instance.workers[0].health.endpoints["default"]
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await until(lambda: bool(silent.asked))
            assert endpoints.items()[0][1].failures == 1
            head, _ = await peer.response()
            assert head.startswith(b"HTTP/1.1 502 ")
            assert endpoints.items()[0][1].failures == 1, "once"
    finally:
        silent.may_answer.set()


async def test_a_service_that_is_down_where_it_was_costs_one_connection(at_two_addresses: Two) -> None:
    one, _ = at_two_addresses()
    names = Names(app=["127.0.0.2"])
    async with running_instance(at(one.port, 1_000.0), workers=1, lookup=names) as instance:
        await until(lambda: used(instance) == ["127.0.0.2"])
        assert await ask(instance.ports[0]) == [502]
        assert instance.records[-1].attempts == 1


async def test_a_lookup_that_fails_changes_nothing_and_is_said_once(
    at_two_addresses: Two, capfd: pytest.CaptureFixture[str]
) -> None:
    one, _ = at_two_addresses()
    names = Names(app=["127.0.0.2"])
    async with live_origins(one), running_instance(at(one.port), workers=1, lookup=names) as instance:
        await until(lambda: used(instance) == ["127.0.0.2"])
        names.answers["app"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        asked = len(names.asked)
        await until(lambda: len(names.asked) >= asked + 3)
        assert await ask(instance.ports[0], 3) == [200] * 3
        assert used(instance) == ["127.0.0.2"]
    assert capfd.readouterr().err.count("the addresses that it had are used on") == 1


async def test_a_name_that_never_resolved_is_a_503_until_it_does(at_two_addresses: Two) -> None:
    one, _ = at_two_addresses()
    names = Names(app=socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    async with live_origins(one), running_instance(at(one.port), workers=1, lookup=names) as instance:
        async with client(instance.ports[0]) as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
            head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert "error=dns_error" in fields_of(head)["proxy-status"][0]
        names.answers["app"] = ["127.0.0.2"]
        await until(lambda: used(instance) == ["127.0.0.2"])
        assert await ask(instance.ports[0], 1) == [200]


async def test_a_name_without_address_is_passed_over_where_others_serve(at_two_addresses: Two) -> None:
    one, _ = at_two_addresses()
    names = Names(app=socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    service = UpstreamConfig(urls=["http://app.example:80", one.url], resolve_s=60.0)
    async with live_origins(one), running_instance(service, lookup=names) as instance:
        for worker in instance.workers:
            await until(lambda worker=worker: len(worker.services["default"].health.usable.candidates) == 1)  # type: ignore[misc]
        before = len(instance.records)
        assert await ask(instance.ports[0], 10) == [200] * 10
        assert [record.attempts for record in instance.records[before:]] == [1] * 10


async def test_one_silent_name_delays_no_other_no_post_and_no_shutdown(at_two_addresses: Two) -> None:
    one, _ = at_two_addresses()
    names = Names(app=["127.0.0.2"], silent=None)
    silent = UpstreamConfig(urls=["http://silent.example:80"], resolve_s=0.1)
    upstreams = {"default": at(one.port), "silent": silent}
    try:
        async with (
            asyncio.timeout(8),
            live_origins(one),
            running_instance(upstreams, lookup=names, timeouts={"drain_s": 0.2}) as instance,
            client(instance.ports[0]) as stuck,
            client(instance.ports[0]) as post,
        ):
            await stuck.send(b"POST /silent HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
            await until(lambda: names.asked.count("silent.example") >= 2)  # by the worker, and by control
            await post.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
            assert (await post.response())[0].startswith(b"HTTP/1.1 200 ")
            threads = [thread.name for thread in threading.enumerate() if "silent" in thread.name]
            assert len(threads) == 2, "one of each process"
    finally:
        names.may_answer.set()


async def test_one_silent_address_of_a_name_costs_three_requests_and_no_more(at_two_addresses: Two) -> None:
    one, two = at_two_addresses()
    names = Names(app=["127.0.0.2", "127.0.0.3"])
    with black_hole("127.0.0.2", one.port):
        async with (
            live_origins(two),
            running_instance(at(one.port), lookup=names, timeouts={"connect_s": 0.2}) as instance,
        ):  # fmt: skip
            await until(lambda: len(used(instance, 0)) == len(used(instance, 1)) == 2)
            for port in instance.ports * 5:
                assert await ask(port, 2) == [200] * 2
            assert sum(record.attempts > 1 for record in instance.records) == 3, "of both workers together"


async def test_tls_goes_by_the_name_at_the_address_that_was_found(authority: Authority) -> None:
    upstream = ScriptedUpstream(answering(OK))
    names = Names(service=["127.0.0.1"])

    def never(host: str) -> list[str]:
        raise AssertionError(f"a worker looked {host} up")

    async with upstream.serving(authority.server()):
        service = UpstreamConfig(
            urls=[f"https://service.example:{upstream.port}"], tls=UpstreamTlsConfig(ca=authority.pem)
        )
        async with running_instance(service, lookup=names, worker_lookup=never, workers=1) as instance:
            await until(lambda: used(instance) == ["127.0.0.1"])
            assert await ask(instance.ports[0]) == [200]
            assert authority.asked_for == ["service.example"]


NAMES = [
    ("app.example", True),
    ("app", True),
    ("localhost", False),
    ("LOCALHOST.", False),
    ("app.localhost", False),
    ("notlocalhost", True),
    ("127.0.0.1", False),
    ("::1", False),
    ("", False),
]


@pytest.mark.parametrize(("host", "followed"), NAMES)
def test_which_hosts_are_names(host: str, followed: bool) -> None:
    assert is_name(host) is followed
