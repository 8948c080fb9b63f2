"""The services behind the proxies, as processes that can be restarted."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType

from benchmarks.load.processes import Server, end, wait_until_listening


class Origins:
    """One process for each port, on 127.0.0.1 or on the host at the same position."""

    def __init__(self, ports: Sequence[int], hosts: Sequence[str] = ()) -> None:
        self._places = list(zip(hosts or ["127.0.0.1"] * len(ports), ports, strict=True))
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of each."""
        return [f"{host}:{port}" for host, port in self._places]

    def __enter__(self) -> "Origins":
        self._running = [self._start(*place) for place in self._places]
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running:
            end(process)

    def stop(self, number: int) -> None:
        """End one gracefully."""
        self._running[number].send_signal(signal.SIGTERM)
        self._running[number].wait(10)

    def restart(self, number: int) -> None:
        """End one gracefully, then start it again in its place."""
        self.stop(number)
        self._running[number] = self._start(*self._places[number])

    def _start(self, host: str, port: int) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stress.origin", str(port), host],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until_listening(Server(process.pid, port, host=host))
        return process
