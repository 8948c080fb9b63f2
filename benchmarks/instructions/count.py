"""Counts the instructions of a worker, or of nginx, that a scripted client and service keep busy."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from benchmarks.instructions.cases import Case
from benchmarks.load.peers import COMPILED, ROOT, configurations, is_compiled_here
from tests.harness.programs import NGINX
from tests.harness.programs.process import free_port, serving, wait_until_listening

_WARM: Final = 60  # requests until what is done once is done
_TOTAL: Final = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)
CALLGRIND: Final = ("valgrind", "--tool=callgrind")


class Way(NamedTuple):
    """A way to run onehop; nginx where there is no tree."""

    name: str
    tree: Path | None
    reader: str = "auto"
    counted: bool = True  # requests are counted for metrics, as they are by default


def ways() -> list[Way]:
    """All that there are here."""
    trees = {"interpreted": ROOT, **({"compiled": COMPILED} if is_compiled_here() else {})}
    found = [Way(name, tree) for name, tree in trees.items()]
    found += [Way(f"{name}, without counters", tree, counted=False) for name, tree in trees.items()]
    found += [Way(f'{name}, reader = "h11"', tree, reader="h11") for name, tree in trees.items()]
    return found if NGINX.find() is None else [*found, Way("nginx", None)]


def count(way: Way, cases: Sequence[Case], requests: int) -> Iterator[tuple[str, float]]:
    """The name of each case, and how many instructions each of its requests takes."""
    with tempfile.TemporaryDirectory(prefix="onehop-instructions-") as name, _service() as service:
        counted = worker(way, service.port, Path(name)) if way.tree is not None else nginx(service.port, Path(name))
        with counted as counter:
            for case in [cases[0], *cases]:  # the first one twice: the interpreter learns from it
                service.response = case.response
                _ask(counter.port, case, _WARM)
                counter.mark()
                _ask(counter.port, case, requests)
                instructions = counter.mark() / requests
                if case is cases[0] and not service.has_begun:
                    service.has_begun = True
                    continue
                yield case.name, instructions


def _ask(port: int, case: Case, requests: int) -> None:
    with contextlib.ExitStack() as open_now:
        client = open_now.enter_context(connected(port))
        for number in range(requests):
            if case.is_last and number:
                client = open_now.enter_context(connected(port))
            client.sendall(case.request)
            answer = b""
            while not answer.endswith(case.ends):
                data = client.recv(262_144)
                assert data, (case.name, answer)
                answer += data
            if case.is_last:
                assert client.recv(1) == b"", case.name
                client.close()


def connected(port: int) -> socket.socket:
    """A client's connection to a port."""
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


class Service:
    """Gives every request the same answer, which may be exchanged."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.response = b""
        self.has_begun = False

    def serve(self, listening: socket.socket) -> None:
        """Accept until the socket is closed; a thread for each connection."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while connection.recv(65_536):  # a request is sent in one piece
                connection.sendall(self.response)


@contextlib.contextmanager
def _service() -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        service = Service(listening.getsockname()[1])
        threading.Thread(target=service.serve, args=(listening,), daemon=True).start()
        yield service


class Counter(Protocol):
    """A proxy whose instructions are counted."""

    port: int

    def mark(self) -> int:
        """End a stretch; how many instructions it took."""


class _Worker:
    """A worker of onehop."""

    def __init__(self, process: "subprocess.Popen[str]", out: Path) -> None:
        self._process = process
        self._out = out
        self._dumps = 0
        self.port = int(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def mark(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write("mark\n")
        self._process.stdin.flush()
        assert self._read() == "marked\n"
        self._dumps += 1
        return _total(Path(f"{self._out}.{self._dumps}"))


@contextlib.contextmanager
def worker(way: Way, upstream_port: int, folder: Path) -> Iterator[_Worker]:
    """A worker of onehop, counted."""
    out = folder / "out"
    words = [*CALLGRIND, "--dump-before=getppid", f"--callgrind-out-file={out}", "--log-file=/dev/null"]
    # -P: the tree goes before the folder that we are in. benchmarks is that of this checkout.
    program = [sys.executable, "-P", str(Path(__file__).with_name("worker.py")), str(upstream_port), way.reader]
    process = subprocess.Popen(
        [*words, *program, *([] if way.counted else ["uncounted"])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(way.tree), "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    try:
        yield _Worker(process, out)
    finally:
        process.terminate()
        process.communicate()


class Process:
    """A proxy that is one process under callgrind, told by `callgrind_control` to note its count."""

    def __init__(self, pid: int, port: int, out: Path) -> None:
        self._pid = pid
        self._out = out
        self._dumps = 0
        self.port = port

    def mark(self) -> int:
        subprocess.run(["callgrind_control", "--dump", str(self._pid)], check=True, capture_output=True)
        self._dumps += 1
        return _total(Path(f"{self._out}.{self._dumps}"))


@contextlib.contextmanager
def nginx(upstream_port: int, folder: Path) -> Iterator[Process]:
    """nginx, counted."""
    program = NGINX.find()
    assert program is not None
    port, out = free_port(), folder / "out"
    path = configurations.nginx(folder, port, upstream_port, log=False)
    path.write_text("master_process off;\n" + path.read_text())
    words = [*CALLGRIND, f"--callgrind-out-file={out}", "--log-file=/dev/null", shutil.which(program) or program]
    with serving([*words, "-c", str(path), "-p", str(folder)], port) as server:
        wait_until_listening(server)
        yield Process(server.pid, port, out)


def _total(dump: Path) -> int:
    found = _TOTAL.search(dump.read_text())
    assert found is not None, dump
    return int(found[1])
