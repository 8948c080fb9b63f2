"""`onehop top`: live figures of a running instance."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from proxy.cli.options import instance_options, quiet_end

if TYPE_CHECKING:
    from proxy.cli.admin_client import AdminListener

_ANY_WIDTH: Final = 10_000


@click.command()
@instance_options
@click.option(
    "--once", is_flag=True, help="Print the figures once, and exit; the default where standard output is no terminal."
)
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between updates.",
)
def top(admin: str | None, config: Path | None, once: bool, interval_s: float) -> None:
    """Show figures of a running onehop: rates, latency, errors, upstreams and their health, workers. q ends it.

    The figures are those of /status.json; rates and latency are of the last minute. The token of the admin listener is
    read from admin.token_file, or from the variable ONEHOP_TOKEN."""
    from proxy.cli.admin_client import find
    from proxy.cli.figures import figures

    with quiet_end():
        listener = find(admin, config)
        status = _status(listener)
        if once or not sys.stdout.isatty():
            click.echo("\n".join(row.text for row in figures(status, listener.address, _ANY_WIDTH)))
            return
        _watch(listener, status, interval_s)


def _status(listener: "AdminListener") -> Mapping[str, Any]:
    from proxy.cli.admin_client import CannotAsk

    answer = listener.get("/status.json")
    if answer.status != 200:
        raise listener.refused(answer, "there is no status")
    try:
        found = msgspec.json.decode(answer.body)
        if "recent" in found:
            return dict(found)
    except (msgspec.DecodeError, TypeError):
        pass
    raise CannotAsk(f"what answers at {listener.address} is not an admin listener of this version of onehop")


def _watch(listener: "AdminListener", status: Mapping[str, Any], interval_s: float) -> None:
    from time import monotonic

    from proxy.cli.admin_client import CannotAsk
    from proxy.cli.figures import Row, Tone, at_time, figures
    from proxy.cli.screen import Screen

    trouble = ""
    with Screen() as screen:
        while True:
            next_at = monotonic() + interval_s
            while True:
                width = screen.columns
                rows = figures(status, listener.address, width)
                said = trouble or f"{at_time(status)}   q: quit"
                rows.insert(1, Row(said[:width], Tone.BAD if trouble else Tone.PLAIN))
                screen.draw(rows)
                if screen.wait(max(next_at - monotonic(), 0.0)) in ("q", "Q", "\x1b"):
                    return
                if monotonic() >= next_at:
                    break
            try:
                status, trouble = _status(listener), ""
            except CannotAsk as exc:  # it may be restarting: keep trying
                trouble = f"no answer since {at_time(status)}: {exc.message}"
