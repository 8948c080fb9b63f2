"""The tables of the documentation that are made from the code. `make reference` writes them into their pages.

A table stands between two comments that name it, in docs/errors.md, docs/metrics.md and docs/logs.md. That of all keys
is written by `hooks.py` when the site is built: in the repository, config/onehop.toml describes them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, get_args, get_origin, get_type_hints

import msgspec

from proxy.admin.families import FAMILIES
from proxy.config.model import Config
from proxy.config.schema import Key, Table, tables
from proxy.telemetry import series
from proxy.telemetry.error_codes import ERROR_CODES
from proxy.telemetry.json_fields import Line

DOCS: Final = Path(__file__).parent
#: Values of labels that come from a fixed set, by metric and label. Other labels are names of the configuration.
_VALUES: Final[Mapping[tuple[str, str], Iterable[str]]] = {
    ("onehop_bytes_total", "direction"): series.DIRECTIONS,
    ("onehop_fields_stripped_total", "direction"): series.DIRECTIONS,
    ("onehop_fields_stripped_total", "reason"): series.STRIPPED,
    ("onehop_reloads_total", "result"): series.RELOADS,
    ("onehop_requests_total", "method"): series.METHODS,
    ("onehop_retries_total", "reason"): series.RETRY_REASONS,
    ("onehop_tls_handshakes_total", "result"): series.HANDSHAKES,
    ("onehop_trace_spans_total", "result"): ("exported", "dropped"),
    ("onehop_upstream_connections", "state"): series.CONNECTION_STATES,
    ("onehop_workers", "state"): ("serving", "stalled"),
}


def as_table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    titles = list(titles)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def keys_in_code(text: str) -> str:
    """Names of keys, with what they begin with (`limits.connections`) or without (`max_connections`), as code."""
    return re.sub(r"(?<![\w`/])((?:[a-z]+\.)?[a-z]+_[a-z_]+|limits\.[a-z]+|100-continue)(?![\w`])", r"`\1`", text)


def errors() -> str:
    """Every code of an error."""
    rows = ([f"`{code}`", status or "–", keys_in_code(meaning)] for code, (status, meaning) in ERROR_CODES.items())
    return as_table(("code", "status", "means"), rows)


def metrics() -> str:
    """Every metric, with its labels."""
    rows = []
    for key, family in sorted(FAMILIES.items()):
        name = f"onehop_{key}" + ("_total" if family.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in family.labels)
        says = keys_in_code(family.help)
        for label in family.labels:
            if (name, label) in _VALUES:
                says += f" `{label}`: {', '.join(f'`{value}`' for value in _VALUES[name, label])}."
        rows.append([f"`{name}`", family.type, labels, says])
    return as_table(("name", "type", "labels", "says"), rows)


def log_fields() -> str:
    """Every field of a JSON line."""
    rows = []
    for name, kind in get_type_hints(Line, include_extras=True).items():
        assert get_origin(kind) is Annotated, f"Line.{name} has no description"
        described = next(one for one in get_args(kind) if isinstance(one, msgspec.Meta))
        rows.append([f"`{name}`", keys_in_code(described.description or "")])
    return as_table(("field", "says"), rows)


def comparison() -> str:
    """How many cases of which level and theme each proxy passes, as the matrix says."""
    matrix = (DOCS.parent / "tests" / "conformance" / "MATRIX.md").read_text("utf-8")
    by_level, by_theme = (re.findall(rf"## {title}\n\n((?:\|.*\n)+)", matrix)[0] for title in ("By level", "By theme"))
    return f"{by_level}\n{by_theme}"


def keys() -> str:
    """Every key of the configuration, a section for each table."""
    return "\n".join(_sections(tables(Config)))


def _sections(found: Iterable[Table]) -> Iterator[str]:
    for table in found:
        if table.name:
            yield f"## `[{table.name}]`\n\n{table.meaning}\n"
        if table.keys:
            yield as_table(("key", "default", "means"), map(_row, table.keys))


def _row(key: Key) -> list[str]:
    shown = f"e.g. `{key.value}`" if key.is_example else f"`{key.value}`"
    return [f"`{key.name}`", shown, keys_in_code(key.meaning)]


#: By page: what its table is called, and how it is made.
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "comparison": comparison,
    "errors": errors,
    "logs": log_fields,
    "metrics": metrics,
}


def with_table(page: str, table: str) -> str:
    """A page with its table made anew. Raises ValueError: it has no place for one."""
    pattern = re.compile(r"(<!-- made by `make reference` -->\n\n).*?(\n<!-- end -->)", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError("a page has one place for a table")
    return pattern.sub(lambda found: found[1] + table + found[2], page)


def main() -> None:
    """Write all pages anew."""
    for name, table in PAGES.items():
        page = DOCS / f"{name}.md"
        page.write_text(with_table(page.read_text("utf-8"), table()), "utf-8")


if __name__ == "__main__":
    main()
