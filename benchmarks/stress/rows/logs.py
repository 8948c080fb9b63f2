"""The access log's output, and standard error, in each broken state: serving goes on."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import IO, Final

from benchmarks.stress.fleet import Wanted, running
from benchmarks.stress.load import loaded
from benchmarks.stress.row import Figure, Row, Setting


@contextmanager
def _full_device() -> Iterator[IO[bytes]]:
    with open("/dev/full", "wb", buffering=0) as full:
        yield full


@contextmanager
def _pipe_without_reader() -> Iterator[IO[bytes]]:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as output:
        yield output


@contextmanager
def _pipe_that_nobody_reads() -> Iterator[IO[bytes]]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 65_536)
    except BlockingIOError:
        os.set_blocking(writing, True)
    with os.fdopen(writing, "wb", buffering=0) as output:
        yield output
    os.close(reading)


_STATES: Final[dict[str, Callable[[], AbstractContextManager[IO[bytes]]]]] = {
    "a full device": _full_device,
    "a pipe without a reader": _pipe_without_reader,
    "a full pipe that nobody reads": _pipe_that_nobody_reads,
}


def _serves(state: str, errors: bool, setting: Setting) -> Figure:
    seconds = 1 if setting.quick else 3
    with (
        _STATES[state]() as broken,
        running(
            setting.proxy,
            setting.folder,
            Wanted(setting.upstreams, workers=2, log=True),
            output=subprocess.DEVNULL if errors else broken,
            errors=broken if errors else None,
        ) as server,
    ):
        with loaded(server.port, keep_alive=True) as load:
            time.sleep(seconds)
        return Figure(load.failures if load.answered else float("inf"), str(load))


ROWS: Final = [
    Row(f"{name} is {state}", "300 requests a second, log on", partial(_serves, state, errors))
    for errors, name in ((False, "the access log's output"), (True, "standard error"))
    for state in _STATES
]
