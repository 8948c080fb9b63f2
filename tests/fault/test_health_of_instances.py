"""Real processes: origins that die, swallow connections or fail their checks, with two workers and a control process;
and processes of onehop's own that die meanwhile."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.addresses import black_hole
from tests.harness.origins import LiveOrigin, Mood, ask, live_origins
from tests.harness.processes import OnehopProcess, onehop
from tests.harness.waiting import until


@asynccontextmanager
async def instance(folder: Path, *origins: LiveOrigin, settings: str = "") -> AsyncIterator[OnehopProcess]:
    """Two workers in front of these origins; `settings` are further lines of the upstream's table, and tables."""
    file = folder / "onehop.toml"
    file.write_text(
        'listen = ["127.0.0.1:0"]\nworkers = 2\naccess_log = "json"\ntimeouts.connect_s = 0.3\ntimeouts.response_head_s = 0.5\n'
        f"[upstreams.app]\nurls = {json.dumps([origin.url for origin in origins])}\n{settings}\n"
    )
    async with onehop("run", "--config", str(file)) as process:
        yield process


def tried_twice(process: OnehopProcess) -> int:
    """How many requests needed a second origin."""
    return sum(json.loads(line)["attempts"] > 1 for line in process.log)


async def each_on_a_connection_of_its_own(port: int, times: int) -> list[int]:
    """So the kernel spreads them over both workers."""
    return [status for _ in range(times) for status in await ask(port, 1)]


async def test_a_black_hole_costs_a_handful_of_requests_of_all_workers_and_then_none(tmp_path: Path) -> None:
    good = LiveOrigin()
    with black_hole("127.0.0.2") as port:
        hole = LiveOrigin("127.0.0.2", port)
        async with live_origins(good), instance(tmp_path, hole, good) as process:
            assert await each_on_a_connection_of_its_own(process.port, 60) == [200] * 60
            await until(lambda: len(process.log) == 60)
            assert tried_twice(process) <= 4  # the third failure may be under way in both workers at once
            assert not any(json.loads(line)["attempts"] > 1 for line in process.log[-30:])
            assert sum("is ejected" in line for line in process.banner) == 1


async def test_an_origin_that_dies_and_comes_back_costs_no_request(tmp_path: Path) -> None:
    one, two = LiveOrigin(), LiveOrigin()
    settings = "[upstreams.app.ejection]\neject_s = 0.2"
    async with live_origins(one, two), instance(tmp_path, one, two, settings=settings) as process:
        for _ in range(2):
            assert await each_on_a_connection_of_its_own(process.port, 20) == [200] * 20
            assert one.requests["/"] > 0
            await one.stop()
            assert await each_on_a_connection_of_its_own(process.port, 20) == [200] * 20
            one.requests.clear()
            await one.start()
            await until(lambda: any("is on trial" in line for line in process.banner))

            async def served() -> bool:
                assert await each_on_a_connection_of_its_own(process.port, 4) == [200] * 4
                return one.requests["/"] > 3

            while not await served():
                pass


CHECKED = """[upstreams.app.health_check]
path = "/healthz"
interval_s = 0.1
rise = 2
fall = 2
"""


async def test_checks_are_asked_once_whatever_happens_to_processes_and_what_is_known_is_kept(tmp_path: Path) -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    bad.status_of["/healthz"] = 503
    async with live_origins(bad, good), instance(tmp_path, bad, good, settings=CHECKED) as process:
        await until(lambda: any("is down" in line for line in process.banner))
        await until_none_is_sent_to(bad, process)
        [control] = process.control_pids()
        os.kill(control, signal.SIGKILL)
        for _ in range(10):
            assert await each_on_a_connection_of_its_own(process.port, 4) == [200] * 4
        await until(lambda: process.control_pids() not in ([], [control]))
        asked = bad.requests["/healthz"]
        await until(lambda: bad.requests["/healthz"] >= asked + 12)
        assert await each_on_a_connection_of_its_own(process.port, 10) == [200] * 10
        assert bad.requests["/"] == 0, "nobody has forgotten"
        worker = process.worker_pids()[0]
        os.kill(worker, signal.SIGKILL)
        await until(lambda: len(process.worker_pids()) == 2 and worker not in process.worker_pids())
        await each_on_a_connection_of_its_own(process.port, 20)
        process.process.send_signal(signal.SIGHUP)
        await process.said("generation 2")
        await each_on_a_connection_of_its_own(process.port, 20)
        assert bad.requests["/"] == 0, "no new process has to learn it again"
        bad.status_of["/healthz"] = 200
        await until(lambda: any("is up" in line for line in process.banner))
        while bad.requests["/"] == 0:
            assert await each_on_a_connection_of_its_own(process.port, 4) == [200] * 4


async def until_none_is_sent_to(origin: LiveOrigin, process: OnehopProcess) -> None:
    """Both workers know: a dozen connections in a row go elsewhere."""
    while True:
        before = origin.requests["/"]
        await each_on_a_connection_of_its_own(process.port, 12)
        if origin.requests["/"] == before:
            origin.requests["/"] = 0
            return


@pytest.mark.parametrize("mood", [Mood.BREAKS, Mood.SILENT])
async def test_what_one_worker_learns_the_other_knows_within_a_second(tmp_path: Path, mood: Mood) -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    settings = CHECKED.replace("fall = 2", "fall = 1000")
    async with live_origins(bad, good), instance(tmp_path, bad, good, settings=settings) as process:
        await until(lambda: good.requests["/healthz"] > 10)  # the control process has said what it knows
        bad.mood = mood
        await each_on_a_connection_of_its_own(process.port, 30)
        assert bad.requests["/"] <= 4


async def test_the_share_of_an_origin_that_returns_is_the_same_in_all_workers_and_in_those_that_start(
    tmp_path: Path,
) -> None:
    bad, good = LiveOrigin(), LiveOrigin()
    settings = "slow_start_s = 1000.0\n[upstreams.app.ejection]\nfailures = 1\neject_s = 0.2"

    async def share() -> int:
        bad.requests.clear()
        assert await each_on_a_connection_of_its_own(process.port, 110) == [200] * 110
        return bad.requests["/"]

    async with live_origins(bad, good), instance(tmp_path, bad, good, settings=settings) as process:
        await bad.stop()
        await until_said("is ejected", process)
        await bad.start()
        await until_said("is up", process)
        assert 7 <= await share() <= 13, "a tenth of the other's weight"
        worker = process.worker_pids()[0]
        os.kill(worker, signal.SIGKILL)
        await until(lambda: len(process.worker_pids()) == 2 and worker not in process.worker_pids())
        assert 7 <= await share() <= 13, "a new worker begins with what was known"
        process.process.send_signal(signal.SIGHUP)
        await process.said("generation 2")
        assert 6 <= await share() <= 14, "and so does a new generation"


async def until_said(what: str, process: OnehopProcess) -> None:
    """Requests come until the error log has it."""
    while not any(what in line for line in process.banner):
        await each_on_a_connection_of_its_own(process.port, 2)
