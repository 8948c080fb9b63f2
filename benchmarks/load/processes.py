"""Servers as processes: started, pinned, waited for, measured, ended. Ends only what it started."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

_STARTS_WITHIN_S: Final = 20
_ENDS_WITHIN_S: Final = 5
_TICK_US: Final = 1_000_000 / os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

# The proxy has one core for itself; what loads it and what it asks share the other. So CPU per request is not blurred
# by whoever else wants the core, and a proxy that needs little is not paid for it with a busier cache.
PROXY_CORE: Final = 0
LOAD_CORE: Final = 1


class Server(NamedTuple):
    """A running server: its first process, where it listens, and what it writes to standard output."""

    pid: int
    port: int
    output: Path | None = None
    errors: Path | None = None
    host: str = "127.0.0.1"


def pinning() -> bool:
    """Whether processes can be given cores of their own here."""
    return shutil.which("taskset") is not None and {PROXY_CORE, LOAD_CORE} <= os.sched_getaffinity(0)


def pinned(command: Sequence[str], core: int) -> list[str]:
    """The command, kept on one core where that is possible."""
    return ["taskset", "-c", str(core), *command] if pinning() else list(command)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    command: Sequence[str],
    port: int,
    core: int,
    *,
    output: Path | None = None,
    errors: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server in a process group of its own. It need not listen yet: `wait_until_listening`."""
    with contextlib.ExitStack() as files:
        stdout, stderr = (
            files.enter_context(path.open("ab")) if path is not None else subprocess.DEVNULL
            for path in (output, errors)
        )
        process = subprocess.Popen(
            pinned(command, core),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C is for us; we end it below
        )
    try:
        yield Server(process.pid, port, output, errors)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process group that we started: SIGTERM, then SIGKILL."""
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, last_word)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS_WITHIN_S)
            return
    process.wait()


def wait_until_listening(server: Server) -> None:
    """Return once the server takes connections. Raises RuntimeError where it does not, or has ended."""
    ends_at = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < ends_at:
        if _has_ended(server.pid):
            raise RuntimeError(f"the server for port {server.port} ended at once: {_last_words(server)}")
        with socket.socket() as probe:
            if probe.connect_ex((server.host, server.port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {server.port} after {_STARTS_WITHIN_S} s")


def _last_words(server: Server) -> str:
    said = server.errors.read_text(errors="replace").strip() if server.errors is not None else ""
    return said[-300:] or "without a word"


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(word) for word in children.read_text().split()]
    return found


class Clock(NamedTuple):
    """What a process and its descendants had so far, in microseconds."""

    cpu_us: float  # user and system
    waited_us: float  # ready to run, with the core taken: by its own threads, or by somebody else

    def since(self, earlier: "Clock") -> "Clock":
        """What it had meanwhile."""
        return Clock(self.cpu_us - earlier.cpu_us, self.waited_us - earlier.waited_us)


def clock(pid: int) -> Clock:
    """Read the clock of a process and all its descendants."""
    readings = [_clock_of_one(member) for member in family(pid)]
    return Clock(sum(reading.cpu_us for reading in readings), sum(reading.waited_us for reading in readings))


def _clock_of_one(pid: int) -> Clock:
    # The scheduler's own count in nanoseconds: `stat` shows the same sum, in steps of 10 ms. A thread that ended takes
    # its count along, so `stat` has the last word where it knows of more.
    ran = waited = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            words = (task / "schedstat").read_text().split()
            ran += int(words[0])
            waited += int(words[1])
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Clock(max(ran / 1000, (int(fields[11]) + int(fields[12])) * _TICK_US), waited / 1000)


def memory_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; what they share counts for each."""
    return sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) * _PAGE for member in family(pid))
