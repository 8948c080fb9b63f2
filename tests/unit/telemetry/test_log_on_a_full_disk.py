"""The access log while its disk is full: what an operator does about that takes effect, and no later line is spoilt."""

import asyncio
import errno
import os
import threading
from pathlib import Path

import msgspec
import pytest

from proxy.telemetry.access_log import AccessLog
from tests.harness.waiting import until
from tests.unit.telemetry.test_access_log import file_log, record


async def test_a_full_log_that_is_renamed_goes_on_in_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.telemetry.line_writer._BATCHES_WAITING", 2)
    monkeypatch.setattr("proxy.telemetry.line_writer._RETRY_S", 0.2)
    (tmp_path / "log").symlink_to("/dev/full")
    said: list[str] = []
    log = file_log(tmp_path / "log", said.append)
    log.write(record(b"/old"))
    log._flush()
    await until(lambda: bool(said))  # else the thread might first be at work when there is room
    while not log._dropped:  # so much is waiting to be written that nothing more is taken
        log.write(record(b"/old"))
    await until(lambda: bool(said))  # the thread that writes has tried
    (tmp_path / "log").unlink()
    log.reopen()
    log.write(record(b"/new"))
    log.close(patience_s=20)
    lines = [msgspec.json.decode(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert lines[-1]["target"] == "/new"
    assert said == [f"the access log drops lines, and counts them: {tmp_path}/log: No space left on device"]


async def test_lines_that_came_onto_the_disk_before_it_was_full_do_not_count_as_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.telemetry.line_writer._RETRY_S", 0.01)
    write, rooms = os.write, [500, 0]

    def write_while_there_is_room(fd: int, data: bytes) -> int:
        if threading.current_thread().name != "access-log" or not rooms:
            return write(fd, data)
        if room := rooms.pop(0):
            return write(fd, data[:room])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("proxy.telemetry.line_writer.os.write", write_while_there_is_room)
    log = AccessLog("json", asyncio.get_running_loop(), lambda _: None, file=str(tmp_path / "log"))
    for number in range(20):
        log.write(record(b"/%d" % number))
    log._flush()
    await until(lambda: bool(log._writer.unwritten))
    log.write(record(b"/next"))
    log.close(patience_s=5)
    *whole, cut, dropped, following = (tmp_path / "log").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["target"] for line in whole] == [f"/{number}" for number in range(len(whole))]
    assert len(b"\n".join([*whole, cut])) == 500
    assert msgspec.json.decode(dropped) == {"dropped_log_lines": 20 - len(whole)}
    assert msgspec.json.decode(following)["target"] == "/next"


async def test_a_line_that_was_cut_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.telemetry.line_writer._RETRY_S", 0.01)
    write, is_full, room = os.write, threading.Event(), [40]
    is_full.set()

    def write_while_there_is_room(fd: int, data: bytes) -> int:
        if threading.current_thread().name != "access-log" or not is_full.is_set():
            return write(fd, data)
        if room:
            return write(fd, data[: room.pop()])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("proxy.telemetry.line_writer.os.write", write_while_there_is_room)
    said: list[str] = []
    log = AccessLog("json", asyncio.get_running_loop(), said.append, file=str(tmp_path / "log"))
    for target in (b"/cut", b"/lost", b"/too"):  # what says how many were lost before is lost itself
        log.write(record(target))
        log._flush()
        await until(lambda: bool(log._writer.unwritten))
    assert len(said) == 1, "once, not for each batch"
    is_full.clear()
    log.write(record(b"/next"))
    log.close(patience_s=5)
    cut, dropped, following = (tmp_path / "log").read_bytes().splitlines()
    assert len(cut) == 40
    assert msgspec.json.decode(dropped) == {"dropped_log_lines": 3}
    assert msgspec.json.decode(following)["target"] == "/next"
