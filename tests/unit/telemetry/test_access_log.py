"""The access log: what a line says, and that nothing in it can forge another or hold up the loop."""

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

from proxy.telemetry.access_log import AccessLog, Line, render_json, render_text
from proxy.telemetry.record import ExchangeRecord
from proxy.upstream.origin import Origin

PLAIN = Line(
    time="2026-11-23T20:00:00.000Z", client="192.0.2.1", method="GET", target="/a?b", version="1.1", status=200,
    request_bytes=0, response_bytes=128, duration_s=0.0123, request_id="id-1", route="default",
    upstream="127.0.0.1:9000", reused=True, attempts=1,
)  # fmt: skip

_END = b"the end\n"

TEXT = [
    # what differs                                        the line, without time and client
    ({},                                                  '"GET /a?b HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    ({"reused": False, "attempts": 2},                    '"GET /a?b HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 attempts=2 id=id-1'),
    ({"upstream": "", "reused": False, "error": "no_route", "detail": "no route"},
                                                          '"GET /a?b HTTP/1.1" 200 0>128 12.3ms - id=id-1 error=no_route (no route)'),
    # a request that could not be read
    ({"method": "", "target": "", "version": "", "upstream": "", "reused": False, "status": 400},
                                                          '"- - HTTP/?" 400 0>128 12.3ms - id=id-1'),
    # nothing in it can begin another line, or steer a terminal
    ({"target": "/\n2026 forged\r\x1b[2J\x85\u2028"},     '"GET /?2026 forged??[2J?? HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    ({"target": "/\xfc\xff"},                             '"GET /üÿ HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), TEXT)
def test_a_line_of_text(changes: dict[str, Any], expected: str) -> None:
    line = msgspec.structs.replace(PLAIN, **changes)
    assert render_text(line).decode() == f"2026-11-23T20:00:00.000Z 192.0.2.1 {expected}\n"


def test_a_line_of_json_is_one_object_on_one_line() -> None:
    line = msgspec.structs.replace(PLAIN, target='/"\n\x00\xff', error="", attempts=0)
    rendered = render_json(line)
    assert rendered.count(b"\n") == 1
    assert msgspec.json.decode(rendered) == {
        "time": "2026-11-23T20:00:00.000Z", "client": "192.0.2.1", "method": "GET", "target": '/"\n\x00\xff',
        "version": "1.1", "status": 200, "request_bytes": 0, "response_bytes": 128, "duration_s": 0.0123,
        "request_id": "id-1", "route": "default", "upstream": "127.0.0.1:9000", "reused": True,
    }  # fmt: skip


def record(target: bytes = b"/a", **known: Any) -> ExchangeRecord:
    origin = Origin("127.0.0.1", 9000).label
    return ExchangeRecord(
        "192.0.2.1", time.monotonic(), "id-1", b"GET", target, b"1.1", origin=origin, status=200, **known
    )


@contextlib.contextmanager
def pipe(size: int = 1 << 20) -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, size)
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


async def test_outcomes_become_lines_in_order() -> None:
    with pipe() as (reading, writing):
        log = AccessLog("json", writing, asyncio.get_running_loop())
        for number in range(600):  # more than one batch
            log.report(record(b"/%d" % number))
        log.close(patience_s=5)
        decoded = [msgspec.json.decode(line) for line in os.read(reading, 1 << 20).splitlines()]
    assert [line["target"] for line in decoded] == [f"/{number}" for number in range(600)]
    assert decoded[0]["upstream"] == "127.0.0.1:9000"


async def test_a_long_target_and_a_long_method_are_cut() -> None:
    with pipe() as (reading, writing):
        log = AccessLog("json", writing, asyncio.get_running_loop())
        long = record(b"/" + b"x" * 5000)
        long.method = b"M" * 5000
        log.report(long)
        log.close(patience_s=5)
        line = msgspec.json.decode(os.read(reading, 1 << 16))
    assert line["target"] == "/" + "x" * 1023 + "..."
    assert line["method"] == "M" * 64


async def test_a_password_in_a_target_is_not_logged() -> None:
    with pipe() as (reading, writing):
        log = AccessLog("json", writing, asyncio.get_running_loop())
        for target in (b"http://alice:s3cret@h/x@y", b"/a//b@c", b"http://h/?@"):
            log.report(record(target))
        log.close(patience_s=5)
        decoded = [msgspec.json.decode(line)["target"] for line in os.read(reading, 1 << 16).splitlines()]
    assert decoded == ["http://***@h/x@y", "/a//b@c", "http://h/?@"]


async def test_a_pipe_that_does_not_block_loses_nothing_when_it_is_full() -> None:
    received = bytearray()
    with pipe(size=4096) as (reading, writing):
        os.set_blocking(writing, False)
        log = AccessLog("json", writing, asyncio.get_running_loop())
        for _ in range(300):
            log.report(record())
        reading_on = threading.Thread(target=lambda: received.extend(_all_of(reading)))
        reading_on.start()
        log.close(patience_s=30)
        os.set_blocking(writing, True)
        os.write(writing, _END)
        reading_on.join()
    assert len(received.splitlines()) == 300


async def test_a_full_disk_drops_lines_and_the_log_goes_on_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.telemetry.access_log._RETRY_S", 0.01)
    full = threading.Event()
    full.set()
    write = os.write

    def write_if_there_is_room(fd: int, data: bytes) -> int:
        if fd == writing and full.is_set():
            failed.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data)

    failed = threading.Event()
    monkeypatch.setattr("proxy.telemetry.access_log.os.write", write_if_there_is_room)
    with pipe() as (reading, writing):
        log = AccessLog("json", writing, asyncio.get_running_loop())
        log.report(record())
        log._flush()
        await asyncio.to_thread(failed.wait)
        full.clear()
        log.report(record(b"/later"))
        log.close(patience_s=5)
        decoded = [msgspec.json.decode(line) for line in os.read(reading, 1 << 16).splitlines()]
    assert decoded[0] == {"dropped_log_lines": 1}
    assert decoded[1]["target"] == "/later"


async def test_a_log_that_nobody_reads_ends_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = AccessLog("json", writing, asyncio.get_running_loop())
    log.report(record())
    log.close(patience_s=5)
    os.close(writing)
    assert "no reader" in capfd.readouterr().err


async def test_a_full_pipe_holds_nobody_up_and_what_is_dropped_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.telemetry.access_log._BATCHES_WAITING", 2)
    received = bytearray()
    with pipe(size=4096) as (reading, writing):
        log = AccessLog("json", writing, asyncio.get_running_loop())
        reported = 0
        while not log._dropped:  # nobody reads: were this to wait for the pipe, it would wait for ever
            log.report(record())
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
