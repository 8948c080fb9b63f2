"""Prints the exchanges that the inspector of a running instance reports."""

import contextlib
import os
import sys
import time
from collections import deque
from typing import Any, Final

import click
import msgspec

from proxy.cli.admin_client import AdminListener, CannotAsk, Following, HasEnded, NumberedExchange
from proxy.cli.exchange_lines import decided, one_line
from proxy.cli.filters import Filter
from proxy.telemetry.inspection import MOST_PER_SECOND, Shown

_AGAIN_S: Final = 0.1
_decode = msgspec.json.Decoder(Shown).decode


def follow(listener: AdminListener, wanted: Filter, how: dict[str, Any]) -> None:
    """Print those that match, until the instance ends or the reader of the output has gone. `how`: options of `tail`.

    Raises CannotAsk."""
    lines = _Lines(wanted, how["explained"], how["as_json"], how["last"])
    while True:
        try:
            following = Following(listener, lines.number)
        except HasEnded:
            if not lines.is_live:
                raise  # it was not running at the start
            click.echo("onehop: the instance has ended", err=True)
            return
        with contextlib.closing(following):
            for told in following.told(_stdout()):
                if told is None:
                    return
                if told.number:
                    lines.take(told.number, _shown(listener, told), told.exchange)
                else:
                    lines.go_live()
                    if how["no_follow"]:
                        return
        lines.begin_again()
        time.sleep(_AGAIN_S)  # after a reload, a new control process answers


def _shown(listener: AdminListener, told: NumberedExchange) -> Shown:
    try:
        return _decode(told.exchange)
    except msgspec.DecodeError as exc:
        raise CannotAsk(f"the onehop at {listener.address} is of another version than this command: {exc}") from exc


def _stdout() -> int | None:
    """Standard output's descriptor, where it has one."""
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return None


class _Lines:
    """Prints exchanges: first the last few that had ended before, then each new one."""

    def __init__(self, wanted: Filter, explained: bool, as_json: bool, last: int) -> None:
        self._wanted = wanted
        self._explained = explained
        self._as_json = as_json
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._earlier: deque[tuple[Shown, bytes]] = deque(maxlen=max(last, 0))
        self.is_live = False
        self.number = 0  # of the last one
        self._before = 0  # on this connection

    def begin_again(self) -> None:
        """A new connection begins: gaps in the numbers are not counted across it."""
        self._before = 0

    def take(self, number: int, exchange: Shown, source: bytes) -> None:
        """Print an exchange, or keep it until `go_live`."""
        if self.is_live:
            if exchange.skipped:
                click.echo(
                    f"onehop: {exchange.skipped} more are not shown: a worker reports {MOST_PER_SECOND} a second",
                    err=True,
                )
            if 0 < self._before < number - 1:
                left_out = number - self._before - 1
                click.echo(f"onehop: {left_out} were skipped: standard output is read too slowly", err=True)
        self.number = self._before = number
        if not self._wanted.matches(exchange):
            return
        if self.is_live:
            self._write(exchange, source)
        else:
            self._earlier.append((exchange, source))

    def go_live(self) -> None:
        """Print the kept ones: all that follow are new."""
        for each in self._earlier:
            self._write(*each)
        self._earlier.clear()
        self.is_live = True

    def _write(self, exchange: Shown, source: bytes) -> None:
        if self._as_json:
            click.echo(source)
            return
        lines = [one_line(exchange, colour=self._colour)]
        if self._explained:
            lines += [*decided(exchange, colour=self._colour), ""]
        click.echo("\n".join(lines), color=self._colour)
