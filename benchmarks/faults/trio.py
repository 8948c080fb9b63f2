"""Three origins behind a proxy, and what is done to one of them."""

import contextlib
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.stress.names import NameServer
from tests.harness.programs.process import Server, free_port, serving, wait_until_listening

_HOSTS: Final = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
_ELSEWHERE: Final = "127.0.0.21"


class Trio:
    """The origins as processes, on one port of three addresses. Faults befall the first."""

    def __init__(self, folder: Path, names: NameServer | None, owner: str) -> None:
        """With a name server, the proxy reaches the origins by name. Each `owner` has names of its own."""
        self.port = free_port()
        self._hosts = [f"{letter}.{owner.lower()}.test" for letter in "abc"]
        self.addresses = [f"{host}:{self.port}" for host in (self._hosts if names is not None else _HOSTS)]
        self._folder = folder
        self._names = names
        self._servers: list[Server] = []
        self._running = [contextlib.ExitStack() for _ in _HOSTS]
        if names is not None:
            names.addresses.update(zip(self._hosts, _HOSTS, strict=True))

    def __enter__(self) -> "Trio":
        self._servers = [self._start(number, host) for number, host in enumerate(_HOSTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        for running in self._running:
            running.close()

    def _start(self, number: int, host: str) -> Server:
        arrivals = str(self._folder / f"arrivals-{number}")
        command = [sys.executable, "-m", "benchmarks.faults.origin", host, str(self.port), arrivals]
        server = self._running[number].enter_context(serving(command, self.port, host=host))
        wait_until_listening(server)
        return server

    def arrived_twice(self) -> int:
        """How many POSTs have arrived more than once, at whichever origins."""
        numbers = [line for file in self._folder.glob("arrivals-*") for line in file.read_text().split()]
        return sum(count > 1 for count in Counter(numbers).values())

    def kill(self) -> None:
        """End it without a word."""
        os.kill(self._servers[0].pid, signal.SIGKILL)
        self._running[0].close()

    def start_again(self) -> None:
        """Start it in its place."""
        self._servers[0] = self._start(0, _HOSTS[0])

    def freeze(self) -> None:
        """Stop it: the kernel goes on accepting its connections."""
        os.kill(self._servers[0].pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, if it was stopped."""
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(self._servers[0].pid, signal.SIGCONT)

    def become(self, mode: str) -> Callable[[], None]:
        """What makes it answer in this way."""

        def ask() -> None:
            with socket.create_connection((_HOSTS[0], self.port), timeout=5) as asking:
                asking.sendall(b"GET /mode/%b HTTP/1.1\r\nHost: h\r\n\r\n" % mode.encode())
                asking.recv(4096)

        return ask

    def restart(self) -> None:
        """End it gracefully, and start it again at once, as a deployment does."""
        self._running[0].close()
        self.start_again()

    def move(self) -> None:
        """End it gracefully, start it at another address, and let its name say so."""
        assert self._names is not None
        self._running[0].close()
        self._servers[0] = self._start(0, _ELSEWHERE)
        self._names.addresses[self._hosts[0]] = _ELSEWHERE

    def move_back(self) -> None:
        """Back to where it was."""
        assert self._names is not None
        self._running[0].close()
        self.start_again()
        self._names.addresses[self._hosts[0]] = _HOSTS[0]


class Fault(NamedTuple):
    """What is done to an origin, and undone `lasts_s` later."""

    name: str
    begin: Callable[[Trio], None]
    end: Callable[[Trio], None]
    lasts_s: float = 6.0
    needs_names: bool = False


def _nothing(_: Trio) -> None: ...


FAULTS: Final = [
    Fault("killed", Trio.kill, Trio.start_again),
    Fault("frozen (SIGSTOP)", Trio.freeze, Trio.resume),
    Fault("resets each request", lambda trio: trio.become("reset")(), lambda trio: trio.become("well")()),
    Fault("answers after 3 s", lambda trio: trio.become("slow")(), lambda trio: trio.become("well")()),
    Fault("answers 503", lambda trio: trio.become("503")(), lambda trio: trio.become("well")()),
    Fault("restarted", Trio.restart, _nothing, lasts_s=2.0),
    Fault("moved to another address", Trio.move, Trio.move_back, needs_names=True),
]


@contextmanager
def befallen(fault: Fault, trio: Trio, *, lasts_s: float) -> Iterator[float]:
    """The fault's time of beginning; it has ended when the block has."""
    begun = time.monotonic()
    fault.begin(trio)
    time.sleep(max(0.0, begun + lasts_s - time.monotonic()))
    fault.end(trio)
    yield begun
