"""/status.json as lines for a terminal: totals first, then routes, upstreams, workers, errors."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from proxy.telemetry.escaping import escape_control

_UNKNOWN: Final = "-"


class Tone(Enum):
    """How a line is shown."""

    PLAIN = "plain"
    TITLE = "title"
    BAD = "bad"


class Row(NamedTuple):
    """A line, cut to the width of the screen."""

    text: str
    tone: Tone = Tone.PLAIN


def figures(status: Mapping[str, Any], where: str, width: int) -> list[Row]:
    """All lines, cut to `width`. `where` is the address of the admin listener."""
    return [Row(escape_control(text)[:width], tone) for text, tone in _lines(status, where)]


def _lines(status: Mapping[str, Any], where: str) -> Iterator[Row]:
    recent, sent = status["recent"], status["bytes"]
    up = f"   up {_span(status['at'] - status['started_at'])}" if status.get("started_at") else ""
    ready = "ready" if status["ready"] else "not ready"
    yield Row(
        f"onehop {status['version']} at {where}   {ready}   generation {status['generation']}{up}",
        Tone.TITLE if status["ready"] else Tone.BAD,
    )
    yield Row(
        f"requests  {_rate(recent['requests_per_s'])}   failed {_rate(recent['failed_per_s'])}   "
        f"in flight {status['requests_in_flight']:,}   clients {status['client_connections']:,}   "
        f"total {status['requests']:,}"
    )
    yield Row(f"latency   {'   '.join(f'{name} {_ms(value)}' for name, value in recent['latency_s'].items())}")
    yield Row(
        f"bytes     requests {_size(sent['request'])}   responses {_size(sent['response'])}   "
        f"reloads {status['reloads']['accepted']}   worker restarts {status['worker_restarts']}"
    )
    yield Row(f"rates and latency: last {recent['window_s']:.0f} s")
    for problem in status.get("problems", ()):
        yield Row(f"! {problem['what']}{': ' if problem['cause'] else ''}{problem['cause']}", Tone.BAD)
    yield from _table(
        ("route", "requests/s", "failed/s", "p50", "p90", "p99", "total"),
        [
            (name, *_rates(route["recent"]), f"{route['requests']:,}") for name, route in status["routes"].items()
        ],
        [route["without_origin"] for route in status["routes"].values()],
    )  # fmt: skip
    origins = [
        (upstream, origin, each)
        for upstream, of in status["upstreams"].items()
        for origin, each in of["origins"].items()
    ]
    yield from _table(
        ("upstream", "origin", "state", "requests/s", "failed/s", "idle", "active", "total"),
        [
            (upstream, origin, "used" if each["healthy"] else "out", _number(each["attempts_per_s"]),
             _number(each["failed_per_s"]), str(each["connections"]["idle"]), str(each["connections"]["active"]),
             f"{each['attempts']:,}")
            for upstream, origin, each in origins
        ],
        [not each["healthy"] for _, _, each in origins],
    )  # fmt: skip
    addresses = [(upstream, each) for upstream, of in status["upstreams"].items() for each in of["addresses"]]
    yield from _table(
        ("upstream", "address", "state", "for", "cause"),
        [
            (upstream, _address(each), each["state"], _since(status["at"], each["since"]),
             each["cause"])
            for upstream, each in addresses
        ],
        [bool(each["is_out"]) for _, each in addresses],
        texts=("cause",),
    )  # fmt: skip
    workers = status["workers"]
    yield from _table(
        ("worker", "generation", "state", "lag", "clients", "in flight", "requests"),
        [
            (str(each["pid"]), str(each.get("generation", _UNKNOWN)), each["state"], _ms(each["event_loop_lag_s"]),
             f"{each['client_connections']:,}", f"{each['requests_in_flight']:,}", f"{each['requests']:,}")
            for each in workers
        ],
        [each["state"] != "serving" for each in workers],
    )  # fmt: skip
    errors = sorted(status["errors"].items(), key=lambda each: (-each[1]["recent"], -each[1]["count"]))
    yield from _table(
        ("error", "recent", "total", "meaning"),
        [(code, str(each["recent"]), f"{each['count']:,}", each["meaning"]) for code, each in errors],
        [each["recent"] > 0 for _, each in errors],
        texts=("meaning",),
    )


#: Columns of words, which are left-aligned; all others are numbers.
_WORDS: Final = frozenset({"route", "upstream", "origin", "address", "state", "error", "cause", "meaning", "worker"})


def _table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], bad: Sequence[bool], texts: Sequence[str] = ()
) -> Iterator[Row]:
    """The rows below their titles; nothing without rows. Columns in `texts` are not padded; `bad` rows are marked."""
    if not rows:
        return
    widths = [
        max(len(title), *(len(row[place]) for row in rows)) if title not in texts else 0
        for place, title in enumerate(titles)
    ]
    aligned: list[Callable[[str, int], str]] = [str.ljust if title in _WORDS else str.rjust for title in titles]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            align(cell, width) for cell, width, align in zip(cells, widths, aligned, strict=True)
        ).rstrip()  # fmt: skip

    yield Row("")
    yield Row(line([title.upper() for title in titles]), Tone.TITLE)
    for row, is_bad in zip(rows, bad, strict=True):
        yield Row(line(row), Tone.BAD if is_bad else Tone.PLAIN)


def _address(each: Mapping[str, Any]) -> str:
    origin, address = each["origin"], each["address"]
    return origin if not address or address in origin else f"{origin} ({address})"


def _rates(recent: Mapping[str, Any]) -> tuple[str, ...]:
    latency = [_ms(value) for value in recent["latency_s"].values()]
    return (_number(recent["requests_per_s"]), _number(recent["failed_per_s"]), *latency)


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _rate(value: float | None) -> str:
    return f"{_number(value)}/s"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return _UNKNOWN
    return (
        f"{seconds:.2f} s"
        if seconds >= 1
        else f"{seconds * 1000:.1f} ms"
        if seconds < 0.01
        else f"{seconds * 1000:.0f} ms"
    )


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _since(now: float, began: float | None) -> str:
    return _UNKNOWN if began is None else _span(now - began)


def _span(seconds: float) -> str:
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def at_time(status: Mapping[str, Any]) -> str:
    """The local time of a status."""
    return time.strftime("%H:%M:%S", time.localtime(status["at"]))
