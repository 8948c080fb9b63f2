"""Two replicas of the proxy behind a balancer, restarted in turn under load."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.stress.fleet import GRACEFUL, Wanted, balancer, installed, running
from benchmarks.stress.load import loaded
from benchmarks.stress.row import Figure, NotRun, Row, Setting
from tests.harness.programs.process import Server, free_port

_ENDS_WITHIN_S: Final = 10.0


class _Replica:
    """One of the two: always on its port, but a new process after each restart."""

    def __init__(self, setting: Setting, port: int, stack: contextlib.ExitStack) -> None:
        self._setting = setting
        self._port = port
        self._stack = stack
        self._count = 0
        self._server = self._start()

    def restart(self) -> None:
        """Stop gracefully, and start anew where the old process has ended."""
        os.kill(self._server.pid, GRACEFUL[self._setting.proxy])
        ends_at = time.monotonic() + _ENDS_WITHIN_S
        while _is_running(self._server.pid) and time.monotonic() < ends_at:
            time.sleep(0.05)
        self._server = self._start()

    def _start(self) -> Server:
        self._count += 1
        folder = self._setting.folder / f"{self._port}-{self._count}"
        wanted = Wanted(self._setting.upstreams)
        return self._stack.enter_context(running(self._setting.proxy, folder, wanted, port=self._port))


def _is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@contextmanager
def _balanced(folder: Path, ports: list[int]) -> Iterator[int]:
    program = installed("haproxy")
    if program is None:
        raise NotRun("the balancer is HAProxy, which is not installed")
    folder.mkdir(parents=True)
    with balancer(program, folder, ports) as server:
        yield server.port


def _rolled(method: str, setting: Setting) -> Figure:
    restarts = 2 if setting.quick else 12
    ports = [free_port(), free_port()]
    with contextlib.ExitStack() as stack:
        replicas = [_Replica(setting, port, stack) for port in ports]
        port = stack.enter_context(_balanced(setting.folder / "balancer", ports))
        with loaded(port, method=method, keep_alive=True) as load:
            time.sleep(1)
            for number in range(restarts):
                replicas[number % 2].restart()
                time.sleep(0.6)  # until the balancer's check has seen it
    return Figure(load.failures + load.twice, f"{load}, {load.twice} arrived twice")


ROWS: Final = [
    Row(
        "two replicas rolled, GET",
        "behind HAProxy, 12 graceful restarts, 300 requests a second",
        lambda s: _rolled("GET", s),
    ),
    Row("two replicas rolled, POST", "likewise; a POST that arrives twice counts", lambda s: _rolled("POST", s)),
]
