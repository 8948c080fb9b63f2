"""A worker that is killed, dies at each start, or hangs; and the parent that is killed."""

import contextlib
import os
import signal
import threading
import time
from typing import Final

from benchmarks.stress.fleet import Wanted, running, workers
from benchmarks.stress.load import Load, loaded
from benchmarks.stress.requests import answers_to
from benchmarks.stress.row import Figure, Row, Setting
from tests.harness.programs.process import Server


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _lost(load: Load) -> Figure:
    return Figure(load.failures, f"{load}, longest gap {load.longest_gap_s:.1f} s")


def _killed(setting: Setting) -> Figure:
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams, workers=2)) as server:
        with loaded(server.port) as load:
            time.sleep(1)
            _kill(workers(server)[0], signal.SIGKILL)
            time.sleep(2 if setting.quick else 4)
        return _lost(load)


def _dying(setting: Setting) -> Figure:
    """Every new worker in one place is killed as soon as it appears."""
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams, workers=2)) as server:
        with loaded(server.port) as load:
            time.sleep(0.5)
            _keep_killing(server, 3 if setting.quick else 6)
            time.sleep(1)
        return _lost(load)


def _keep_killing(server: Server, seconds: float) -> None:
    spared = workers(server)[0] if len(workers(server)) > 1 else 0  # HAProxy has threads in one process
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        for pid in workers(server):
            if pid != spared:
                _kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _hung(setting: Setting) -> Figure:
    with running(
        setting.proxy,
        setting.folder,
        Wanted(setting.upstreams, workers=2, onehop_options=("--set", "timeouts.worker_stall_s=2")),
    ) as server:
        with loaded(server.port) as load:
            time.sleep(1)
            stopped = workers(server)[0]
            _kill(stopped, signal.SIGSTOP)
            time.sleep(6 if setting.quick else 12)
            _kill(stopped, signal.SIGCONT)
        return _lost(load)


def _parent_killed(setting: Setting) -> Figure:
    """How many of 50 requests under way get their answer, a second after the parent was killed."""
    clients = 50
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams, workers=2)) as server:
        of_it = workers(server)
        results: list[int] = []
        asking = threading.Thread(target=lambda: results.extend(answers_to(server.port, clients, "/slow/1500")))
        asking.start()
        time.sleep(0.5)
        _kill(server.pid, signal.SIGKILL)
        asking.join()
        for pid in of_it:
            _kill(pid, signal.SIGKILL)
    answered = results.count(200)
    return Figure(clients - answered, f"{answered} of {clients} under way were answered")


ROWS: Final = [
    Row(
        "worker killed",
        "SIGKILL to one of two workers, 300 requests a second, each on a connection of its own",
        _killed,
        slack=8,
    ),
    Row("worker dies at each start", "one of two places loses every worker at once, for 6 s", _dying, slack=8),
    Row("worker hangs", "SIGSTOP to one of two workers for 12 s; clients wait 2 s", _hung, slack=8),
    Row("parent killed", "50 requests of 1.5 s under way", _parent_killed),
]
