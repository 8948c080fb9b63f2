"""Few file descriptors and many clients: real processes under a limit, on both event loops."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.process.descriptors import room_within
from tests.conftest import require_programs
from tests.harness.processes import OnehopProcess, output_of, running_command
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, client

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LOOPS = {
    "uvloop": "from proxy.cli.main import main; main()",
    "asyncio": "import sys; sys.modules['uvloop'] = None; from proxy.cli.main import main; main()",
}


@pytest.fixture(autouse=True)
def _prlimit() -> None:
    require_programs("prlimit")


async def slow_ok(peer: Peer) -> None:
    """Takes so long that all who are let in together want a connection at the same time."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
        while await peer.head():
            await asyncio.sleep(0.1)
            await peer.send(OK)


@asynccontextmanager
async def onehop_with(descriptors: int, loop: str, *options: str) -> AsyncIterator[OnehopProcess]:
    upstream = ScriptedUpstream(slow_ok)
    async with upstream.serving(), running_command(
        "prlimit", f"--nofile={descriptors}:{descriptors}", sys.executable, "-c", LOOPS[loop],
        "run", "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", *options,
    ) as proxy:  # fmt: skip
        yield proxy


async def statuses(port: int, clients: int) -> list[bytes]:
    """What each gets who asks once, and then keeps the connection for a while."""

    async def one() -> bytes:
        async with asyncio.timeout(PATIENCE_S), client(port) as peer:
            await peer.send(GET)
            status = (await peer.response())[0].split()[1]
            await asyncio.sleep(0.3)
            return status

    return await asyncio.gather(*(one() for _ in range(clients)))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("loop", LOOPS)
async def test_with_64_descriptors_100_clients_at_once_are_all_answered(loop: str, workers: str) -> None:
    async with onehop_with(64, loop, "--workers", workers) as proxy:
        assert await statuses(proxy.port, 100) == [b"200"] * 100
        assert not [line for line in proxy.banner if "error" in line or "defect" in line], proxy.banner


SAID = [
    # descriptors   limits.connections   said
    (16_000,        16_384,              False),  # nobody asked for so many
    (16_000,        16_385,              True),
    (1_024,         16_384,              True),
    (1_024,         100,                 False),
]  # fmt: skip


@pytest.mark.parametrize(("descriptors", "connections", "said"), SAID)
async def test_few_descriptors_are_mentioned_where_somebody_may_miss_them(
    descriptors: int, connections: int, said: bool
) -> None:
    async with onehop_with(
        descriptors, "uvloop", "--workers", "1", "--set", f"limits.connections={connections}"
    ) as proxy:
        assert any("clients at once per worker" in line for line in proxy.banner) is said


@pytest.mark.parametrize("loop", LOOPS)
async def test_as_many_clients_as_check_says_are_served_at_once(loop: str) -> None:
    """And so no descriptor is missing that the count forgot: all of them want an upstream connection together."""
    async with onehop_with(64, loop, "--workers", "1", "--set", "timeouts.client_queue_s=0") as proxy:
        said = next(line for line in proxy.banner if "clients at once per worker" in line)
        count = int(re.findall(r"up to (\d+) clients", said)[0])
        _, checked = await output_of(
            "prlimit", "--nofile=64:64", sys.executable, "-m", "proxy", "check",
            "--workers", "1", "--upstream", "http://127.0.0.1:9",
        )  # fmt: skip
        assert said.strip() in checked
        assert await statuses(proxy.port, count) == [b"200"] * count


TOO_FEW_FOR_MORE = [
    # limit       addresses workers clients connections
    (64,          1,        1,      21,     42),
    (256,         1,        1,      109,    218),
    (1024,        2,        4,      460,    920),
    (20_000,      1,        2,      15_563, 19_659),
    (1 << 20,     1,        2,      16_384, 1_048_235),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "addresses", "workers", "clients", "connections"), TOO_FEW_FOR_MORE)
def test_clients_share_the_limit_with_upstreams(
    limit: int, addresses: int, workers: int, clients: int, connections: int
) -> None:
    room = room_within(limit, addresses, workers, 16_384)
    assert (room.clients, room.connections) == (clients, connections)
    assert room.connections + room.spare < limit
