"""Prometheus' text format and OpenMetrics as prometheus-client writes them, but each series' name and labels only once.

Nearly all the time of a scrape went into objects for samples, and into escaping and sorting labels that are the same
each time. What is written each time is a series' value. A test compares it with what the library writes, byte for byte.
"""

from collections.abc import Iterable
from enum import Enum
from operator import add
from typing import Final, NamedTuple

from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from proxy.admin.families import FAMILIES

#: From here on, the library writes 1e+06.
_EXACT: Final = 1_000_000
#: In a label's value; all else goes as it is.
_ESCAPED: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_MOST_SERIES: Final = 200_000  # beginnings that are kept: some 40 MiB
_MOST_HISTOGRAMS: Final = 10_000


class Lines(NamedTuple):
    """The lines of a family. `name` is its key in FAMILIES."""

    name: str
    lines: list[str]


class Form(Enum):
    """In which format a scraper is answered."""

    TEXT = 1  # 0.0.4, and 1.0.0: they differ in names that none of ours has
    OPEN_METRICS = 2


def accepted(accept: str) -> tuple[Form, str]:
    """The format that a request's Accept asks for, and its media type. Prometheus itself asks for OpenMetrics."""
    _, media_type = choose_encoder(accept)
    return (Form.TEXT if media_type.startswith("text/plain") else Form.OPEN_METRICS), media_type


def exposition(families: Iterable[Lines], form: Form) -> bytes:
    """The answer to a scrape."""
    parts: list[str] = []
    for name, lines in families:
        family = FAMILIES[name]
        suffix = "_total" if family.type == "counter" and form is Form.TEXT else ""
        full = f"onehop_{name}{suffix}"
        parts.append(f"# HELP {full} {family.help}\n# TYPE {full} {family.type}\n")
        parts += lines
    if form is Form.OPEN_METRICS:
        parts.append("# EOF\n")
    return "".join(parts).encode()


def written(value: float) -> str:
    """A value, as the library writes it, and its end of line."""
    if -_EXACT < value < _EXACT:  # the library takes ten times as long
        if type(value) is int:  # nearly all are
            return f"{value}.0\n"
        if value == int(value):
            return f"{int(value)}.0\n"
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # the library has no types there
    return text + "\n"


class Series:
    """The beginnings of lines: what stands before the value."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], str] = {}
        self._histograms: dict[tuple[str, ...], list[str]] = {}

    def line(self, name: str, value: float, *labels: str) -> str:
        """The line of a counter or a gauge, by its key in FAMILIES and the values of its labels."""
        key = (name, *labels)
        begin = self._known.get(key)
        if begin is None:
            family = FAMILIES[name]
            if len(self._known) >= _MOST_SERIES:  # names of many earlier configurations
                self._known.clear()
            suffix = "_total" if family.type == "counter" else ""
            begin = self._known[key] = _begin(name + suffix, dict(zip(family.labels, labels, strict=True)))
        return begin + written(value)

    def histogram(self, name: str, bounds: Iterable[str], values: Iterable[float], *labels: str) -> list[str]:
        """The lines of a histogram with these upper bounds: its values are of the buckets, of their count and sum."""
        key = (name, *labels)
        begins = self._histograms.get(key)
        if begins is None:
            if len(self._histograms) >= _MOST_HISTOGRAMS:
                self._histograms.clear()
            given = dict(zip(FAMILIES[name].labels, labels, strict=True))
            begins = [_begin(f"{name}_bucket", {**given, "le": bound}) for bound in bounds]
            begins += (_begin(f"{name}_count", given), _begin(f"{name}_sum", given))
            self._histograms[key] = begins
        return list(map(add, begins, map(written, values)))


def _begin(name: str, labels: dict[str, str]) -> str:
    pairs = ",".join(f'{label}="{value.translate(_ESCAPED)}"' for label, value in sorted(labels.items()))
    return f"onehop_{name}{{{pairs}}} " if pairs else f"onehop_{name} "
