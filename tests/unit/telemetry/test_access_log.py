"""The access log: lines are written in order by a thread, and nothing that becomes of it holds up the loop."""

import asyncio
import contextlib
import errno
import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.record import ExchangeRecord
from proxy.upstream.origin import Origin
from tests.harness.values import exchange_record
from tests.harness.waiting import until

_END = b"the end\n"


def record(target: bytes = b"/a", **known: Any) -> ExchangeRecord:
    origin = Origin("127.0.0.1", 9000).label
    return exchange_record(
        "192.0.2.1", time.monotonic(), "id-1", b"GET", target, b"1.1", origin=origin, status=200, **known
    )


def access_log(writing: int, form: str = "json") -> AccessLog:
    return AccessLog(form, asyncio.get_running_loop(), pytest.fail, fd=writing)


@contextlib.contextmanager
def pipe(size: int = 1 << 20) -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, size)
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


async def test_records_become_lines_in_order() -> None:
    with pipe() as (reading, writing):
        log = access_log(writing)
        for number in range(600):  # more than one batch
            log.write(record(b"/%d" % number))
        log.close(patience_s=5)
        decoded = [msgspec.json.decode(line) for line in os.read(reading, 1 << 20).splitlines()]
    assert [line["target"] for line in decoded] == [f"/{number}" for number in range(600)]
    assert decoded[0]["upstream"] == "127.0.0.1:9000"


async def test_a_pipe_that_does_not_block_loses_nothing_when_it_is_full() -> None:
    received = bytearray()
    with pipe(size=4096) as (reading, writing):
        os.set_blocking(writing, False)
        log = access_log(writing)
        for _ in range(300):
            log.write(record())
        reading_on = threading.Thread(target=lambda: received.extend(_all_of(reading)))
        reading_on.start()
        log.close(patience_s=30)
        os.set_blocking(writing, True)
        os.write(writing, _END)
        reading_on.join()
    assert len(received.splitlines()) == 300


async def test_a_full_disk_drops_lines_and_the_log_goes_on_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.telemetry.line_writer._RETRY_S", 0.01)
    full = threading.Event()
    full.set()
    write = os.write

    def write_if_there_is_room(fd: int, data: bytes) -> int:
        if fd == writing and full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr("proxy.telemetry.line_writer.os.write", write_if_there_is_room)
    with pipe() as (reading, writing):
        said: list[str] = []
        log = AccessLog("json", asyncio.get_running_loop(), said.append, fd=writing)
        log.write(record())
        log._flush()
        await until(lambda: bool(log._writer.unwritten))
        assert said == ["the access log drops lines, and counts them: standard output: No space left on device"]
        full.clear()
        log.write(record(b"/later"))
        log.close(patience_s=5)
        decoded = [msgspec.json.decode(line) for line in os.read(reading, 1 << 16).splitlines()]
    assert decoded[0] == {"dropped_log_lines": 1}
    assert decoded[1]["target"] == "/later"


async def test_a_log_that_nobody_reads_ends_and_says_so() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    said: list[str] = []
    log = AccessLog("json", asyncio.get_running_loop(), said.append, fd=writing)
    log.write(record())
    log.close(patience_s=5)
    os.close(writing)
    assert said == ["nobody reads the access log any more: it ends"]


async def test_a_full_pipe_holds_nobody_up_and_what_is_dropped_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.telemetry.line_writer._BATCHES_WAITING", 2)
    received = bytearray()
    with pipe(size=4096) as (reading, writing):
        log = access_log(writing)
        reported = 0
        while not log._dropped:  # nobody reads: were this to wait for the pipe, it would wait for ever
            log.write(record())
            reported += 1
        reading_on = threading.Thread(target=lambda: received.extend(_all_of(reading)))
        reading_on.start()
        log.close(patience_s=30)
        os.write(writing, _END)
        reading_on.join()
    lines = [msgspec.json.decode(line) for line in received.splitlines()]
    dropped = sum(line.get("dropped_log_lines", 0) for line in lines)
    assert dropped
    assert dropped + sum("target" in line for line in lines) == reported


@pytest.mark.interpreted  # compiled code keeps its own `time`
async def test_a_log_that_nobody_reads_holds_up_the_end_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def wait_in_vain(_queue: object, _item: object, block: bool = True, timeout: float = 0.0) -> None:
        now[0] += timeout if block else 0.0
        raise queue.Full

    clock = SimpleNamespace(monotonic=lambda: now[0])
    with pipe() as (_, writing):
        log = access_log(writing)
        log.write(record())
        with monkeypatch.context() as patched:
            patched.setattr("proxy.telemetry.access_log.time", clock)
            patched.setattr("proxy.telemetry.line_writer.time", clock)
            patched.setattr(queue.Queue, "put", wait_in_vain)
            log.close(patience_s=1.0)
        log.close(patience_s=5)
    assert now[0] == 1.0, "its lines and the end of the queue each waited as long"


def _all_of(reading: int) -> bytes:
    received = b""
    while not received.endswith(_END):
        received += os.read(reading, 1 << 16)
    return received.removesuffix(_END)


async def test_a_health_check_of_our_own_is_not_logged() -> None:
    with pipe() as (reading, writing):
        log = access_log(writing)
        log.write(record(b"*", is_health_check=True))
        log.write(record(b"/seen"))
        log.close(patience_s=5)
        decoded = [msgspec.json.decode(line)["target"] for line in os.read(reading, 1 << 16).splitlines()]
    assert decoded == ["/seen"]


async def test_the_sink_listens_to_the_end_alone() -> None:
    with pipe() as (_, writing):
        log = access_log(writing, "text")
        sink = log.sink
        log.close(patience_s=5)
    assert (sink.began, sink.responded, sink.ended) == (None, None, log.write)


def file_log(path: Path, warn: Callable[[str], None] = pytest.fail) -> AccessLog:
    return AccessLog("json", asyncio.get_running_loop(), warn, file=str(path))


def targets(path: Path) -> list[str]:
    return [msgspec.json.decode(line)["target"] for line in path.read_bytes().splitlines()]


async def test_a_file_is_added_to_and_read_by_its_group_alone(tmp_path: Path) -> None:
    for number in range(2):
        log = file_log(tmp_path / "log")
        log.write(record(b"/%d" % number))
        log.close(patience_s=5)
    assert targets(tmp_path / "log") == ["/0", "/1"]
    assert (tmp_path / "log").stat().st_mode & 0o027 == 0


async def test_a_file_that_was_renamed_keeps_what_was_before_and_a_new_one_gets_the_rest(tmp_path: Path) -> None:
    log = file_log(tmp_path / "log")
    for number in range(300):  # of which the first have been handed to the thread, and the last have not
        log.write(record(b"/old/%d" % number))
    (tmp_path / "log").rename(tmp_path / "log.1")
    log.reopen()
    log.write(record(b"/new"))
    log.close(patience_s=5)
    assert targets(tmp_path / "log.1") == [f"/old/{number}" for number in range(300)]
    assert targets(tmp_path / "log") == ["/new"]


async def test_where_there_can_be_no_new_file_the_old_one_goes_on_and_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    said: list[str] = []
    log = file_log(tmp_path / "logs" / "log", said.append)
    (tmp_path / "logs").rename(tmp_path / "moved")
    log.reopen()
    log.write(record(b"/on"))
    log.close(patience_s=5)
    assert targets(tmp_path / "moved" / "log") == ["/on"]
    assert said == [f"the access log stays in its old file: {tmp_path}/logs/log: No such file or directory"]


async def test_standard_output_is_not_opened_anew() -> None:
    with pipe() as (reading, writing):
        log = access_log(writing)
        log.reopen()
        log.write(record(b"/a"))
        log.close(patience_s=5)
        assert b"/a" in os.read(reading, 1 << 16)
