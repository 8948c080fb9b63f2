"""One proxy under one load, once."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load.processes import LOAD_CORE, clock, memory_bytes, pinned
from benchmarks.load.samples import Load, Sample
from benchmarks.load.workloads import Own, Workload
from benchmarks.load.wrk import Wrk, generate
from tests.harness.programs.process import Server

_HELD: Final = 0.99  # of what was due, answered in time: the rate was held


class Void(Exception):
    """A wrong answer, or none: what was counted says nothing."""


def measure(workload: Workload, server: Server, folder: Path, seconds: float, first: int) -> Sample:
    """Load the proxy and weigh it. Requests are numbered from `first`. Raises Void."""
    if isinstance(workload.load, Wrk):
        before = clock(server.pid)
        load = generate(workload.load, server.port, folder, seconds, first)
        spent = clock(server.pid).since(before)
        memory = memory_before = memory_bytes(server.pid)
    else:
        with _client(workload.load, server.port, seconds) as client:
            _expect(client, "ready")
            before, memory_before = clock(server.pid), memory_bytes(server.pid)
            _say(client)
            load = Load(**json.loads(_expect(client, "{")))
            spent, memory = clock(server.pid).since(before), memory_bytes(server.pid)
    if load.bad or not load.requests:
        raise Void(f"{load.bad:,} wrong answers or broken connections, beside {load.requests:,} answers")
    return Sample(
        cpu_us=spent.cpu_us / load.requests,
        requests_per_s=load.requests / load.duration_s,
        busy=spent.cpu_us / 1e6 / load.duration_s,
        waited=spent.waited_us / 1e6 / load.duration_s,
        memory_bytes=memory,
        p50_s=load.p50_s,
        p99_s=load.p99_s,
        held=load.offered_per_s is None or load.requests >= load.offered_per_s * seconds * _HELD,
        connection_bytes=(memory - memory_before) / load.connections if load.connections else None,
    )


@contextmanager
def holding(load: Own, port: int, seconds: float) -> Iterator[Load]:
    """The load, done; its connections are held until leaving. Raises Void."""
    with _client(load, port, seconds) as client:
        _expect(client, "ready")
        _say(client)
        done = Load(**json.loads(_expect(client, "{")))
        if done.bad:
            raise Void(f"{done.bad:,} wrong answers or broken connections")
        yield done


@contextmanager
def _client(load: Own, port: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "benchmarks.load.clients", load.kind, str(port), str(seconds), *load.settings]
    client = subprocess.Popen(
        pinned(words, LOAD_CORE),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield client
    finally:
        if client.stdin is not None:
            with contextlib.suppress(OSError):
                client.stdin.close()
        try:
            client.wait(10)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
        for pipe in (client.stdout, client.stderr):
            if pipe is not None:
                pipe.close()


def _say(client: subprocess.Popen[str]) -> None:
    assert client.stdin is not None
    client.stdin.write("go\n")
    client.stdin.flush()


def _expect(client: subprocess.Popen[str], beginning: str) -> str:
    """The client's next line. Raises Void where it ended instead."""
    assert client.stdout is not None
    assert client.stderr is not None
    line = client.stdout.readline()
    if not line.startswith(beginning):
        client.kill()
        said = client.stderr.read().strip().splitlines()
        raise Void(f"the client ended: {said[-1] if said else 'without a word'}")
    return line


def logged_lines(server: Server) -> int:
    """How many lines its access log has; the log is emptied."""
    path = server.output
    if path is None:
        return 0
    lines = 0
    with path.open("rb") as log:
        while piece := log.read(1 << 20):
            lines += piece.count(b"\n")
    os.truncate(path, 0)
    return lines
