"""What an instance has counted is exactly what its clients have, whatever becomes of its processes. Real processes."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.harness.processes import descriptors_of
from tests.harness.scripted import OK, PATIENCE_S, Peer
from tests.harness.waiting import until
from tests.interop.counted_load import GET, Load
from tests.interop.test_metrics import answers, running
from tests.unit.admin.serving import Admin, labelled

CLIENTS = 8
TOTAL = labelled("onehop_requests_total", route="all", method="GET", status="200")
LOST = labelled("onehop_requests_lost_total")
IN_FLIGHT = labelled("onehop_requests_in_flight")


class Gate:
    """A service that answers while it is open: closed, every request stays under way."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, peer: Peer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while await peer.head():
                await self.open.wait()
                await peer.send(OK)


async def under_way(admin: Admin, number: int) -> None:
    """Wait until so many requests are."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (await admin.samples())[IN_FLIGHT] == number:
                return
            await asyncio.sleep(0.01)


async def busiest_worker(admin: Admin) -> tuple[int, int]:
    """Its process, and how many requests it has under way."""
    workers = json.loads((await admin.get("/status.json"))[2])["workers"]
    found = max(workers, key=lambda worker: worker["requests_in_flight"])
    return found["pid"], found["requests_in_flight"]


async def test_counts_are_exactly_what_clients_counted_over_reloads_a_killed_worker_and_a_killed_control_process(
    tmp_path: Path,
) -> None:
    gate = Gate()
    async with running(tmp_path, service=gate.serve) as (proxy, admin, file):
        load = Load(proxy.port)
        async with load.running(CLIENTS):
            await load.more(200)
            file.write_text(file.read_text() + '[routes.more]\npath = "/more"\nupstream = "app"\n')
            proxy.process.send_signal(signal.SIGHUP)
            await proxy.said("generation 2 serves")
            await load.more(200)
            assert ((await admin.samples())[LOST], load.cut) == (0, 0), "a reload loses nothing, and cuts nobody"
            gate.open.clear()
            await under_way(admin, CLIENTS)
            victim, in_its_hands = await busiest_worker(admin)
            os.kill(victim, signal.SIGKILL)
            await proxy.said("killed by SIGKILL")
            await until(lambda: load.cut == in_its_hands)
            gate.open.set()
            await load.more(200)
            os.kill(proxy.control_pids()[-1], signal.SIGKILL)
            await until(lambda: sum("killed by SIGKILL" in line for line in proxy.banner) == 2)
            await answers(admin, 200)
            await load.more(200)
        found = await admin.samples()
        assert (found[TOTAL], found[LOST], found[IN_FLIGHT]) == (load.answered, load.cut, 0)
        assert load.cut == in_its_hands > 0
        assert found[labelled("onehop_request_duration_seconds_count", route="all")] == load.answered
        assert found[labelled("onehop_bytes_total", direction="response")] == 2 * load.answered
        stripped = labelled("onehop_fields_stripped_total", direction="request", reason="hop_by_hop")
        assert found[stripped] == load.answered
        origin = next(dict(labels)["origin"] for name, labels in found if name == "onehop_upstream_healthy")
        attempts = labelled("onehop_upstream_requests_total", upstream="app", origin=origin, status="200")
        assert found[attempts] == load.answered
        assert found[labelled("onehop_worker_restarts_total")] == 1
        assert found[labelled("onehop_reloads_total", result="accepted")] == 1
        assert found[labelled("onehop_config_generation")] == 2
        assert labelled("onehop_request_duration_seconds_count", route="more") in found
        assert proxy.log and not [line for line in proxy.log if "/metrics" in line or "/readyz" in line]


def connections(port: int) -> Iterator[tuple[str, int, int, int]]:
    """The kernel's established connections to or from a port: inode, port here, port there, bytes that were not read."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        row = line.split()
        here, there = (int(row[column].rpartition(":")[2], 16) for column in (1, 2))
        if row[3] == "01" and port in (here, there):
            yield row[9], here, there, int(row[4].partition(":")[2], 16)


class Stopped:
    """A worker that was stopped in the middle of whatever it did: what the kernel holds for its connections."""

    def __init__(self, pid: int, port: int) -> None:
        self._port = port
        self._inodes = {link[8:-1] for link in descriptors_of(pid).values() if link.startswith("socket:[")}
        found = connections(port)
        self._clients = {there for inode, here, there, _ in found if here == port and inode in self._inodes}
        self._looks: list[int] = []

    def unread_bytes(self) -> tuple[int, int]:
        """By the worker, and by its clients."""
        found = list(connections(self._port))
        by_clients = sum(unread for _, here, _, unread in found if here in self._clients)
        return sum(unread for inode, _, _, unread in found if inode in self._inodes), by_clients

    def all_wait(self, load: Load) -> bool:
        """Whether all its clients have read what it wrote, have asked again, and wait."""
        by_it, by_clients = self.unread_bytes()
        self._looks = [*self._looks, by_it] if self._clients <= load.waiting and not by_clients else []
        return len(self._looks) > 4 and len({*self._looks[-4:]}) == 1  # a turn of our loop passes between two looks


async def test_every_request_is_answered_lost_or_unread_where_a_worker_is_killed_at_any_moment(tmp_path: Path) -> None:
    async with running(tmp_path) as (proxy, admin, _):
        load, unread = Load(proxy.port), 0
        async with load.running(CLIENTS):
            for _ in range(2):
                await load.more(200)
                victim, _ = await busiest_worker(admin)
                os.kill(victim, signal.SIGSTOP)
                await until(lambda: "T (stopped)" in Path(f"/proc/{victim}/status").read_text())  # noqa: B023
                stopped = Stopped(victim, proxy.port)
                await until(lambda: stopped.all_wait(load))  # noqa: B023
                requests, part = divmod(stopped.unread_bytes()[0], len(GET))
                assert not part
                unread += requests
                os.kill(victim, signal.SIGKILL)
                await until(lambda: victim not in proxy.worker_pids() and len(proxy.worker_pids()) == 2)  # noqa: B023
        found = await admin.samples()
        assert found[IN_FLIGHT] == 0
        assert (found[TOTAL] + found[LOST] + unread, load.cut > 0) == (load.answered + load.cut, True)
