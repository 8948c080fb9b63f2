"""One line per request, on standard output or in a file.

Lines are gathered for a moment, and written by a thread. Lines that it cannot write in time are dropped, and their
number is logged.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from proxy.telemetry.access_lines import ChosenFields, TimeOfDay, json_line, text_line
from proxy.telemetry.events import Sink
from proxy.telemetry.line_writer import Batch, LineWriter, open_file
from proxy.telemetry.record import ExchangeRecord

STDOUT: Final = 1
_FLUSH_S: Final = 0.1
_FLUSH_LINES: Final = 256


class AccessLog:
    """The access log of one worker."""

    def __init__(
        self,
        form: str,
        loop: asyncio.AbstractEventLoop,
        warn: Callable[[str], None],
        *,
        fd: int = STDOUT,
        file: str = "",
        fields: Sequence[str] = (),
    ) -> None:
        """`form` is "json" or "text". Lines go to `fd`, or to the file at the path `file`; `fields` are additional
        fields. `warn` is called, from another thread, when the log cannot be written. Raises OSError where the file
        cannot be opened."""
        self._loop = loop
        self._warn = warn
        self._render = json_line if form == "json" else text_line
        self._chosen = ChosenFields(fields) if fields else None
        self._time_of_day = TimeOfDay()
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._dropped = 0
        self._file = file
        self._writer = LineWriter(open_file(file) if file else fd, self._warn_of)

    @property
    def sink(self) -> Sink:
        """The events that it listens to."""
        return Sink(ended=self.write)

    def write(self, record: ExchangeRecord) -> None:
        """Take one record; it is written a moment later."""
        if record.is_health_check:
            return
        self._lines.append(self._render(record, self._time_of_day.now(), self._chosen))
        if len(self._lines) >= _FLUSH_LINES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_S, self._flush)

    def _warn_of(self, failure: OSError) -> None:
        if self._writer.has_reader:
            where = self._file or "standard output"
            self._warn(f"the access log drops lines, and counts them: {where}: {failure.strerror}")
        else:
            self._warn("nobody reads the access log any more: it ends")

    def reopen(self) -> None:
        """Open the file at the same path anew: the old one was renamed, and still gets the lines taken before."""
        if not self._file:
            return
        self._flush()
        try:
            fd = open_file(self._file)
        except OSError as exc:
            self._warn(f"the access log stays in its old file: {self._file}: {exc.strerror}")
            return
        self._writer.go_on_in(fd)

    def close(self, patience_s: float) -> None:
        """Write what is left, for at most `patience_s` in all: the parent kills a worker that takes longer."""
        ends_at = time.monotonic() + patience_s
        self._flush(patience_s)
        self._writer.close(max(ends_at - time.monotonic(), 0.0))

    def _flush(self, patience_s: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        writer = self._writer
        while writer.unwritten:
            self._dropped += writer.unwritten.popleft()
        if not writer.has_reader:
            self._lines.clear()
        if not self._lines and not self._dropped:
            return
        lines, self._lines = self._lines, []
        said = [b'{"dropped_log_lines":%d}\n' % self._dropped] if self._dropped else []
        if writer.put(Batch(b"".join(said + lines), self._dropped), patience_s):
            self._dropped = 0
        else:
            self._dropped += len(lines)
