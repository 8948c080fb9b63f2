"""Records as lines on standard output: text for a person, JSON for a program.

Lines are gathered for a moment and written by a thread of their own, so a slow terminal or a full pipe never holds up
the loop. What it cannot take in time is dropped, counted, and said.
"""

import asyncio
import errno
import os
import queue
import re
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.record import ExchangeRecord

_FLUSH_S: Final = 0.1
_FLUSH_LINES: Final = 256
_BATCHES_WAITING: Final = 256  # then lines are dropped: some 16 MiB
_ATOMIC: Final = 4096  # PIPE_BUF: workers share a pipe, and up to this size their lines do not mix
_METHOD_SHOWN: Final = 64
_TARGET_SHOWN: Final = 1024
_RETRY_S: Final = 1.0
_USERINFO: Final = re.compile(rb"//[^/?#]*@")


class Line(msgspec.Struct, omit_defaults=True):
    """One line of the JSON log. Durations in seconds, sizes in body bytes."""

    time: str
    client: str
    method: str
    target: str
    version: str
    status: int
    request_bytes: int
    response_bytes: int
    duration_s: float
    request_id: str
    route: str = ""
    upstream: str = ""
    reused: bool = False
    attempts: int = 0
    error: str = ""
    detail: str = ""


class AccessLog:
    """The access log of one worker."""

    def __init__(self, form: str, fd: int, loop: asyncio.AbstractEventLoop) -> None:
        self._fd = fd
        self._loop = loop
        self._render: Callable[[Line], bytes] = render_json if form == "json" else render_text
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._batches: queue.Queue[bytes | None] = queue.Queue(_BATCHES_WAITING)
        self._dropped = 0
        self._unwritten: deque[int] = deque()  # lines that the thread could not write
        self._has_reader = True
        self._second = (0, "")
        self._thread = threading.Thread(target=self._write_batches, name="access-log", daemon=True)
        self._thread.start()

    def report(self, record: ExchangeRecord) -> None:
        """Take one record; it is written a moment later."""
        self._lines.append(self._render(self._line(record)))
        if len(self._lines) >= _FLUSH_LINES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_S, self._flush)

    def close(self, patience_s: float) -> None:
        """Write what is left, for at most `patience_s`."""
        self._flush(patience_s)
        try:
            self._batches.put(None, timeout=patience_s)
        except queue.Full:
            return
        self._thread.join(patience_s)

    def _flush(self, patience_s: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._unwritten:
            self._dropped += self._unwritten.popleft()
        if not self._has_reader:
            self._lines.clear()
        if not self._lines and not self._dropped:
            return
        lines, self._lines = self._lines, []
        said = [b'{"dropped_log_lines":%d}\n' % self._dropped] if self._dropped else []
        try:
            self._batches.put(b"".join(said + lines), block=patience_s > 0, timeout=patience_s)
            self._dropped = 0
        except queue.Full:
            self._dropped += len(lines)

    def _write_batches(self) -> None:
        while (batch := self._batches.get()) is not None:
            start = 0
            while start < len(batch):
                end = batch.rfind(b"\n", start, start + _ATOMIC) + 1 or batch.find(b"\n", start) + 1
                try:
                    self._write_whole(batch[start:end])
                except OSError as exc:
                    if exc.errno in (errno.EPIPE, errno.EBADF):
                        self._has_reader = False  # serving goes on
                        ErrorLog().warning("the access log has no reader any more, and ends")
                        return
                    # A full disk, say: what it does not take is dropped, and the next batch is tried.
                    self._unwritten.append(batch.count(b"\n", start))
                    time.sleep(_RETRY_S)
                    break
                start = end

    def _write_whole(self, lines: bytes) -> None:
        while lines:
            try:
                lines = lines[os.write(self._fd, lines) :]
            except BlockingIOError:  # somebody made the pipe non-blocking, and it is full
                select.select([], [self._fd], [], _RETRY_S)

    def _line(self, record: ExchangeRecord) -> Line:
        target = record.target if len(record.target) <= _TARGET_SHOWN else record.target[:_TARGET_SHOWN] + b"..."
        if b"@" in target and target[:1] != b"/":
            target = _USERINFO.sub(b"//***@", target)  # refused, but it may hold a password
        return Line(
            time=self._now(),
            client=record.client,
            method=record.method[:_METHOD_SHOWN].decode("latin-1"),
            target=target.decode("latin-1"),
            version=record.http_version.decode("latin-1"),
            status=record.status,
            request_bytes=record.request_bytes,
            response_bytes=record.response_bytes,
            duration_s=round(time.monotonic() - record.started, 6),
            request_id=record.request_id,
            route=record.route,
            upstream=record.origin,
            reused=record.reused,
            attempts=record.attempts,
            error=record.error,
            detail=record.detail,
        )

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if self._second[0] != second:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{self._second[1]}.{int(now % 1 * 1000):03d}Z"


_encode_json = msgspec.json.Encoder().encode


def render_json(line: Line) -> bytes:
    """One JSON object a line."""
    return _encode_json(line) + b"\n"


def render_text(line: Line) -> bytes:
    """Time, client, request, status, bytes, duration, and what served it: in one line to read."""
    served = f"{line.upstream or '-'}{' reused' if line.reused else ''}{_attempts(line.attempts)}"
    failed = f" error={line.error} ({line.detail})" if line.error else ""
    text = (
        f'{line.time} {line.client} "{line.method or "-"} {line.target or "-"} HTTP/{line.version or "?"}" '
        f"{line.status} {line.request_bytes}>{line.response_bytes} {line.duration_s * 1000:.1f}ms "
        f"{served} id={line.request_id}{failed}"
    )
    if not text.isprintable():
        # A control byte in a line could forge another line, or steer the terminal that shows it.
        text = "".join(char if char.isprintable() else "?" for char in text)
    return text.encode("utf-8", "replace") + b"\n"


def _attempts(attempts: int) -> str:
    return f" attempts={attempts}" if attempts > 1 else ""
