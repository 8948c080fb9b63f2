"""Prometheus' text format, written as prometheus-client writes it, but each series' name and labels only once.

A scrape of a large configuration has tens of thousands of lines, and nearly all of its time went into escaping and
sorting labels that are the same each time. OpenMetrics, for scrapers that ask for it, is written by the library.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

Encode: TypeAlias = Callable[[CollectorRegistry], bytes]

#: From here on, the format is 1e+06.
_EXACT: Final = 1_000_000
_MOST_SERIES: Final = 200_000  # prefixes that are cached: some 40 MiB


class Exposition:
    """Writes families of metrics as text; the names and labels of series are cached."""

    def __init__(self) -> None:
        self._prefixes: dict[tuple[str, ...], str] = {}

    def encoder(self, accept: str) -> tuple[Encode, str]:
        """The encoder for a request's Accept, and its media type."""
        encode, media_type = choose_encoder(accept)
        return (self.text if media_type.startswith("text/plain") else encode), media_type

    def text(self, registry: CollectorRegistry) -> bytes:
        """The text format 0.0.4, and 1.0.0: they differ in names that none of ours has."""
        lines: list[str] = []
        for family in registry.collect():
            self._write(family, lines)
        return "".join(lines).encode()

    def _write(self, family: Metric, lines: list[str]) -> None:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        lines.append(f"# HELP {name} {family.documentation}\n# TYPE {name} {family.type}\n")
        prefixes = self._prefixes
        for sample in family.samples:
            key = (sample.name, *sample.labels.values())
            prefix = prefixes.get(key)
            if prefix is None:
                if len(prefixes) >= _MOST_SERIES:  # names of many earlier configurations
                    prefixes.clear()
                prefix = prefixes[key] = _prefix(family, sample)
            value = sample.value
            if -_EXACT < value < _EXACT and value == int(value):  # a third of the time
                lines.append(f"{prefix}{int(value)}.0\n")
            else:
                lines.append(f"{prefix}{_in_go(value)}\n")


def _in_go(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # the library has no types there
    return text


def _prefix(family: Metric, sample: Sample) -> str:
    """The text before a series' value, as the library writes it."""
    alone = Metric(family.name, "", "untyped")
    alone.samples = [sample]
    line = generate_latest(_Alone([alone])).decode().splitlines()[-1]
    return line[: line.rindex(" ") + 1]


class _Alone(CollectorRegistry):
    """Some families, and nothing else."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
