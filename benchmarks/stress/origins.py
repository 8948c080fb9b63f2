"""The services behind the proxies, as processes that can be restarted."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType

from benchmarks.load.processes import Server, end, wait_until_listening


class Origins:
    """One process for each port."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of each."""
        return [f"127.0.0.1:{port}" for port in self._ports]

    def __enter__(self) -> "Origins":
        self._running = [self._start(port) for port in self._ports]
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running:
            end(process)

    def restart(self, number: int) -> None:
        """End one gracefully, then start it again on its port."""
        self._running[number].send_signal(signal.SIGTERM)
        self._running[number].wait(10)
        self._running[number] = self._start(self._ports[number])

    def _start(self, port: int) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stress.origin", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until_listening(Server(process.pid, port))
        return process
