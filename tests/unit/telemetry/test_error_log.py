"""The error log: what a message looks like, how often it is said, and that it never waits."""

import contextlib
import fcntl
import json
import os
import pty
import socket
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy.telemetry.error_log import ErrorLog, write_at_once


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def error_log() -> Iterator[tuple[ErrorLog, Clock, Callable[[], list[str]]]]:
    """An error log on a pipe, its clock, and what it has written."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    clock = Clock()

    def written() -> list[str]:
        with contextlib.suppress(BlockingIOError):
            return os.read(reading, 1 << 16).decode().splitlines()
        return []

    try:
        yield ErrorLog(writing, clock), clock, written
    finally:
        os.close(reading)
        os.close(writing)


def fill(writing: int) -> None:
    """Write until the pipe takes no more, by a description that does not block."""
    filling = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(filling, b"x" * 4096)
    os.close(filling)


SAID = [
    # level      what is said of all
    ("error",    ["onehop: error: a"]),
    ("warning",  ["onehop: error: a", "onehop: warning: b"]),
    ("info",     ["onehop: error: a", "onehop: warning: b", "onehop: c", "the banner"]),
]  # fmt: skip


@pytest.mark.parametrize(("level", "expected"), SAID)
def test_what_is_less_bad_than_the_level_is_not_said(level: str, expected: list[str]) -> None:
    with error_log() as (log, _, written):
        log.configure(level, "text")
        log.error("a")
        log.warning("b")
        log.info("c")
        log.announce(["the banner"])
        assert written() == expected


def test_as_json_each_message_is_an_object_on_a_line() -> None:
    with error_log() as (log, _, written):
        log.configure("info", "json")
        log.warning('a "b"\n\udcff', ["more\x1b"])
        log.announce(["the banner"])
        try:
            raise ValueError("deep")
        except ValueError as exc:
            log.defect(exc, "a test")
        first, second, third = map(json.loads, written())
    assert first.pop("time").endswith("Z")
    assert first == {"level": "warning", "message": 'a "b"\n\\udcff', "pid": os.getpid(), "more": ["more\x1b"]}
    assert (second["level"], second["message"]) == ("info", "the banner")
    assert (third["message"], third["more"][-1]) == ("defect in a test: ValueError", "ValueError: deep")


def test_as_json_what_is_long_loses_its_beginning_and_stays_an_object() -> None:
    with error_log() as (log, _, written):
        log.configure("info", "json")
        log.error("\x00" * 1000, [f"{number} " + "\x00" * 900 for number in range(9)])
        [line] = written()
    assert len(line) < 4096
    assert json.loads(line)["level"] == "error"


def test_each_level_says_its_name() -> None:
    with error_log() as (log, _, written):
        log.error("a")
        log.warning("b")
        log.info("c")
        assert written() == ["onehop: error: a", "onehop: warning: b", "onehop: c"]


def test_a_message_is_one_line_and_steers_no_terminal() -> None:
    with error_log() as (log, _, written):
        log.error("a\nonehop: error: forged\x1b[2J")
        assert written() == ["onehop: error: a\\x0aonehop: error: forged\\x1b[2J"]


def test_a_defect_has_its_traceback_and_the_request() -> None:
    with error_log() as (log, _, written):
        try:
            raise KeyError("a\nonehop: error: forged")
        except KeyError as defect:
            log.defect(defect, "request abc-1")
        lines = written()
    assert lines[0] == "onehop: error: defect in request abc-1: KeyError"
    assert any("test_error_log.py" in line for line in lines)
    assert lines[-1].startswith("  KeyError: ")
    assert all(line.startswith("  ") for line in lines[1:])


def test_a_deep_traceback_fits_one_write_and_keeps_its_end() -> None:
    def deeper(depth: int) -> None:
        if depth:
            deeper(depth - 1)
        else:
            raise ValueError("x" * 5000)

    with error_log() as (log, _, written):
        try:
            deeper(200)
        except ValueError as defect:
            log.defect(defect, "a connection")
        lines = written()
    assert sum(len(line) + 1 for line in lines) <= 4096
    assert lines[0] == "onehop: error: defect in a connection: ValueError"
    assert lines[-1].startswith("  ValueError: xxx")


def test_one_level_is_said_a_bounded_number_of_times_and_the_rest_counted() -> None:
    with error_log() as (log, clock, written):
        for _ in range(50):
            log.warning("again")
        log.error("another level is still heard")
        assert written() == ["onehop: warning: again"] * 20 + ["onehop: error: another level is still heard"]
        clock.now += 10
        log.warning("later")
        assert written() == [
            "onehop: warning: 30 more messages like these were not written",
            "onehop: warning: later",
        ]


def test_what_every_request_may_cause_is_said_once_a_minute() -> None:
    made = []

    def text() -> str:
        made.append(1)
        return "dropped"

    with error_log() as (log, clock, written):
        log.warn_once_a_minute("a", text)
        log.warn_once_a_minute("a", text)
        log.warn_once_a_minute("b", text)
        clock.now += 59.9
        log.warn_once_a_minute("a", text)
        assert len(written()) == 2
        clock.now += 0.1
        log.warn_once_a_minute("a", text)
        assert len(written()) == 1
    assert len(made) == 3


def test_a_full_pipe_takes_nothing_holds_nobody_up_and_the_loss_is_said() -> None:
    with error_log() as (log, _, written):
        fill(log._fd)
        log.error("lost")  # were this to wait for the pipe, it would wait for ever
        assert "lost" not in "".join(written())
        log.error("heard")
        assert written() == ["onehop: error: 1 more messages like these were not written", "onehop: error: heard"]


def test_the_pipe_stays_a_blocking_one_for_those_who_share_it() -> None:
    with error_log() as (log, _, written):
        log.error("x")
        assert written()
        assert not fcntl.fcntl(log._fd, fcntl.F_GETFL) & os.O_NONBLOCK


def test_a_pipe_without_a_reader_raises_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ErrorLog(writing).error("x")
    os.close(writing)
    ErrorLog(writing).error("x")  # closed


def socket_end() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def terminal() -> tuple[int, int]:
    theirs, ours = pty.openpty()
    return ours, theirs


@pytest.mark.parametrize("ends", [socket_end, terminal])
def test_it_writes_to_a_journal_and_to_a_terminal(ends: Callable[..., Any]) -> None:
    ours, theirs = ends()
    try:
        assert write_at_once(ours, b"a line\n")
        assert os.read(theirs, 100).replace(b"\r", b"") == b"a line\n"
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_socket_whose_reader_is_slow_holds_nobody_up() -> None:
    ours, theirs = socket_end()
    try:
        while write_at_once(ours, b"x" * 4096):
            pass
    finally:
        os.close(ours)
        os.close(theirs)


def test_it_appends_to_a_file_that_others_write_to() -> None:
    with tempfile.TemporaryFile() as file:
        os.write(file.fileno(), b"before\n")
        assert write_at_once(file.fileno(), b"a line\n")
        os.write(file.fileno(), b"after\n")
        file.seek(0)
        assert file.read() == b"before\na line\nafter\n"
