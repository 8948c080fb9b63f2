"""The services behind the proxies, as processes that can be restarted."""

import contextlib
import sys
from collections.abc import Sequence
from types import TracebackType

from tests.harness.programs.process import serving, wait_until_listening


class Origins:
    """One process for each port, on 127.0.0.1 or on the host at the same position."""

    def __init__(self, ports: Sequence[int], hosts: Sequence[str] = ()) -> None:
        self._places = list(zip(hosts or ["127.0.0.1"] * len(ports), ports, strict=True))
        self._running = [contextlib.ExitStack() for _ in self._places]

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of each."""
        return [f"{host}:{port}" for host, port in self._places]

    def __enter__(self) -> "Origins":
        for number in range(len(self._places)):
            self._start(number)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        for running in self._running:
            running.close()

    def stop(self, number: int) -> None:
        """End one gracefully."""
        self._running[number].close()

    def restart(self, number: int) -> None:
        """End one gracefully, then start it again in its place."""
        self.stop(number)
        self._start(number)

    def _start(self, number: int) -> None:
        host, port = self._places[number]
        command = [sys.executable, "-m", "benchmarks.stress.origin", str(port), host]
        wait_until_listening(self._running[number].enter_context(serving(command, port, host=host)))
