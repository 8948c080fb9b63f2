"""What a route asks before a request goes on, each alone: what it costs a request that may."""

import asyncio
import base64
import contextlib
from pathlib import Path
from time import monotonic_ns

import pytest

pytest.importorskip("pytest_benchmark", reason="pip install pytest-benchmark")
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.exchange.buckets import Buckets
from proxy.exchange.passwords import Passwords
from proxy.http1.fields import Fields
from proxy.http1.message import RequestHead
from proxy.http1.section import section
from proxy.policy.access import Access, NetworkSet, check_network
from proxy.policy.basic_auth import credentials
from proxy.policy.rate_limit import RateLimit

USERS = Path(__file__).parents[2] / "config" / "examples" / "users.htpasswd"
FIELDS: Fields = [(b"Host", b"h"), (b"User-Agent", b"x"), (b"Accept", b"*/*"), (b"X-Api-Key", b"abc")]
HEAD = RequestHead(b"GET", b"/", b"1.1", *section(FIELDS))


@pytest.mark.parametrize("networks", [1, 101])
def test_networks(benchmark: BenchmarkFixture, networks: int) -> None:
    benchmark.group = "access"
    allow = ["127.0.0.0/8", *(f"10.{number}.0.0/16" for number in range(0, 2 * networks - 2, 2))]
    benchmark(check_network, Access(allow=NetworkSet(allow)), "127.0.0.1")


@pytest.mark.parametrize("header", [b"", b"x-api-key"], ids=["address", "header"])
def test_rate_limit(benchmark: BenchmarkFixture, header: bytes) -> None:
    benchmark.group = "access"
    limit = RateLimit(b"r", 1, 1 << 20, header)
    with contextlib.closing(Buckets()) as buckets:
        wait_ns = benchmark(lambda: buckets.take(limit.key(HEAD, "127.0.0.1"), limit, monotonic_ns()))
    assert wait_ns == 0


def test_a_password_that_is_remembered(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "access"
    said = [b"Basic " + base64.b64encode(b"ann:example")]

    async def ask() -> None:
        passwords = Passwords(asyncio.get_running_loop(), print)

        def again() -> None:
            name, password = credentials(said) or (b"", b"")
            with contextlib.suppress(StopIteration):  # answered without a wait
                passwords.are_right(str(USERS), name, password).send(None)

        assert await passwords.are_right(str(USERS), b"ann", b"example")
        benchmark(again)
        passwords.shut_down()

    asyncio.run(ask())
