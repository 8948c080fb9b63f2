"""`onehop top`: its figures, and a terminal that is as it was, however it ends."""

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.admin.status import Status
from proxy.cli.figures import Row, Tone, figures
from proxy.telemetry import series
from proxy.telemetry.series import Kind
from tests.harness.programs.process import free_port
from tests.harness.scripted import PATIENCE_S
from tests.harness.waiting import until
from tests.unit.admin.serving import ORIGINS, Counts, serving
from tests.unit.cli.test_tail import called

ENTERED, LEFT = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"


def rows(counts: Counts, width: int = 200) -> list[Row]:
    return figures(Status(counts.instance)(), "127.0.0.1:9901", width)


def said(counts: Counts) -> str:
    return "\n".join(row.text for row in rows(counts))


def test_the_whole_routes_origins_and_workers_are_shown() -> None:
    text = said(Counts())
    assert "at 127.0.0.1:9901   ready   generation 3" in text.splitlines()[0]
    assert "in flight 0   clients 0   total 0" in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith(("api", "web"))] == ["api", "web"]
    assert any(line.split()[:3] == ["app", "b:1", "used"] for line in text.splitlines())
    assert any(line.split()[:3] == ["100", "0", "serving"] for line in text.splitlines())


def test_what_is_not_well_stands_out() -> None:
    counts = Counts()
    counts.hang(1, 60)
    counts.healthy[ORIGINS[1]] = False
    bad = [row.text for row in rows(counts) if row.tone is Tone.BAD]
    assert any(text.startswith("! worker 101 hangs: its event loop has been blocked for 60 s") for text in bad)
    assert any(text.split()[:3] == ["app", "b:1", "out"] for text in bad)
    assert any(text.split()[:3] == ["101", "0", "stalled"] for text in bad)
    counts.ready = False
    assert "not ready" in rows(counts)[0].text and rows(counts)[0].tone is Tone.BAD


@pytest.mark.parametrize("width", [1, 20, 79])
def test_no_line_is_longer_than_the_screen_is_wide(width: int) -> None:
    assert max(len(row.text) for row in rows(Counts(), width)) <= width


def test_errors_are_shown_with_what_they_mean() -> None:
    counts = Counts()
    block = counts.ledger.seat(0).counters(Kind.INSTANCE)
    assert block is not None
    block[series.error_place("connect_failed")] = 7
    [line] = [line for line in said(counts).splitlines() if line.startswith("connect_failed")]
    assert line.split()[2] == "7" and len(line.split()) > 4


async def test_where_there_is_no_terminal_they_are_written_once() -> None:
    async with serving(Counts()) as admin:
        status, out, err = await called("top", "--admin", f"127.0.0.1:{admin.port}")
        assert (status, err) == (0, "")
        assert out.startswith("onehop ") and "\x1b" not in out


async def test_where_nothing_runs_or_a_token_is_missing() -> None:
    status, out, err = await called("top", "--admin", f"127.0.0.1:{free_port()}")
    assert (status, out, "nothing accepts connections" in err) == (1, "", True)
    async with serving(Counts(), token="a-token-of-ours") as admin:
        status, out, err = await called("top", "--admin", f"127.0.0.1:{admin.port}")
        assert (status, out, "asks for a token" in err) == (1, "", True)
        status, _, _ = await called("top", "--admin", f"127.0.0.1:{admin.port}", ONEHOP_TOKEN="a-token-of-ours")
        assert status == 0


# -- on a terminal -----------------------------------------------------------------------------------------------------


class Terminal:
    """A terminal that a command has, seen from its other side."""

    def __init__(self, lines: int, columns: int) -> None:
        self.ours, self.theirs = os.openpty()
        self.shown = b""
        self.resize(lines, columns)
        os.set_blocking(self.ours, False)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self.theirs)

    async def shows(self, text: bytes) -> None:
        """Wait until it has shown this, and forget what came before."""
        readable, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self.ours, readable.set)
        try:
            async with asyncio.timeout(3 * PATIENCE_S):
                while text not in self.shown:
                    await readable.wait()
                    readable.clear()
                    with contextlib.suppress(BlockingIOError):
                        self.shown += os.read(self.ours, 65_536)
        finally:
            loop.remove_reader(self.ours)
        self.shown = self.shown.partition(text)[2]

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@contextlib.asynccontextmanager
async def top(port: int, lines: int = 40) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    """`onehop top` on a terminal, which it has taken."""
    terminal = Terminal(lines, 100)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "top", "--admin", f"127.0.0.1:{port}", "--interval", "0.2",
        stdin=terminal.theirs, stdout=terminal.theirs, stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")},
        # A group of its own, whose parent is of another one: the kernel lets no orphaned group be stopped. uvloop knows
        # no `process_group`.
        preexec_fn=os.setpgrp,
    )  # fmt: skip
    try:
        await terminal.shows(ENTERED)
        yield terminal, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        terminal.close()


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    async with serving(Counts()) as admin, top(admin.port) as (terminal, process):
        yield terminal, process


ENDS = [
    # by                 exit status
    (b"q",               0),
    (b"\x1b",            0),
    (signal.SIGINT,      0),
    (signal.SIGTERM,     143),
    (signal.SIGHUP,      129),
    (signal.SIGQUIT,     131),
]  # fmt: skip


@pytest.mark.parametrize(("by", "status"), ENDS)
async def test_the_terminal_is_given_back_however_it_ends(by: bytes | signal.Signals, status: int) -> None:
    async with watching() as (terminal, process):
        await terminal.shows(b"q: quit")
        assert not terminal.attributes()[3] & termios.ECHO
        if isinstance(by, bytes):
            os.write(terminal.ours, by)
        else:
            process.send_signal(by)
        await terminal.shows(LEFT)
        async with asyncio.timeout(3 * PATIENCE_S):
            _, err = await process.communicate()
        assert (process.returncode, err) == (status, b"")
        assert terminal.attributes()[3] & termios.ECHO and terminal.attributes()[3] & termios.ICANON


async def test_it_draws_for_the_window_as_it_is_now() -> None:
    async with watching() as (terminal, process):
        await terminal.shows(b"LAG")
        terminal.resize(6, 30)
        process.send_signal(signal.SIGWINCH)
        await terminal.shows(b"more lines: enlarge")
        await terminal.shows(b"q: quit")


async def test_stopped_and_continued_it_takes_the_terminal_again() -> None:
    async with watching() as (terminal, process):
        await terminal.shows(b"q: quit")
        process.send_signal(signal.SIGTSTP)
        await terminal.shows(LEFT)
        # It stops a moment later: a SIGCONT before that would be lost, and nothing would wake it.
        await until(lambda: "T (stopped)" in Path(f"/proc/{process.pid}/status").read_text())
        process.send_signal(signal.SIGCONT)
        await terminal.shows(ENTERED)
        await terminal.shows(b"q: quit")
        os.write(terminal.ours, b"q")
        await terminal.shows(LEFT)


async def test_it_outlasts_an_instance_that_is_away() -> None:
    async with contextlib.AsyncExitStack() as processes:
        async with serving(Counts()) as admin:
            terminal, _ = await processes.enter_async_context(top(admin.port))
            await terminal.shows(b"q: quit")
        await terminal.shows(b"no answer since")
        os.write(terminal.ours, b"q")
        await terminal.shows(LEFT)
