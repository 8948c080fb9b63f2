"""The access log: lines are written in order by a thread, and nothing that becomes of it holds up the loop."""

import asyncio
import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.record import ExchangeRecord
from proxy.upstream.origin import Origin

_END = b"the end\n"


def record(target: bytes = b"/a", **known: Any) -> ExchangeRecord:
    origin = Origin("127.0.0.1", 9000).label
    return ExchangeRecord(
        "192.0.2.1", time.monotonic(), "id-1", b"GET", target, b"1.1", origin=origin, status=200, **known
    )


def access_log(writing: int, form: str = "json") -> AccessLog:
    return AccessLog(form, writing, asyncio.get_running_loop(), warn=pytest.fail)


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
            failed.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data)

    failed = threading.Event()
    monkeypatch.setattr("proxy.telemetry.line_writer.os.write", write_if_there_is_room)
    with pipe() as (reading, writing):
        log = access_log(writing)
        log.write(record())
        log._flush()
        await asyncio.to_thread(failed.wait)
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
    log = AccessLog("json", writing, asyncio.get_running_loop(), said.append)
    log.write(record())
    log.close(patience_s=5)
    os.close(writing)
    assert said == ["the access log has no reader any more, and ends"]


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
