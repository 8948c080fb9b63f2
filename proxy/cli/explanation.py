"""How commands show decisions: a line for each field, aligned, or in colour on a terminal."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from proxy.http1.fields import Fields
from proxy.http1.masking import shown_value
from proxy.policy.decisions import Decision, Decisions

COLOURS: Final = {"kept": "green", "stripped": "red", "untrusted": "red", "replaced": "yellow", "set": "cyan"}
_WIDEST: Final = 60  # a longer field does not widen the column: all rules would leave the screen


class Note(msgspec.Struct):
    """One field line, and the decision about it."""

    name: str
    value: str
    verdict: str
    rule: str


class Explanation(NamedTuple):
    """What this proxy does with one message."""

    notes: list[Note]
    remarks: list[str]  # connection and body
    sent: str  # the head as forwarded; empty where it is not


def shown(decision: Decision) -> tuple[str, str, str, str]:
    """A decision as text: name, value, verdict, rule. A secret's value is not shown."""
    [(name, value)] = safe([decision.line])
    return name.decode("latin-1"), shown_head(value), decision.outcome.verdict, decision.rule


def notes(decisions: Decisions) -> list[Note]:
    """Decisions as text. A secret's value is not shown."""
    return [Note(*shown(decision)) for decision in decisions]


def aligned(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Rows of verdict, field and rule, with the rules in one column, except beside very long fields."""
    rows = list(rows)
    width = max((len(field) for _, field, _ in rows if len(field) <= _WIDEST), default=0)
    return [f"{verdict:<9}  {field:<{width}}  {rule}" for verdict, field, rule in rows]


def plain(explanation: Explanation) -> list[str]:
    """An explanation as aligned text, a field to a line however long it is."""
    rows = [(note.verdict, f"{note.name}: {note.value}", note.rule) for note in explanation.notes]
    if rows:
        rows.insert(0, ("verdict", "field", "rule"))
    lines = aligned(rows)
    lines += ["", *explanation.remarks] if rows else explanation.remarks
    if explanation.sent:
        lines += ["", "The next hop is sent:", "", *(f"  {line}" for line in explanation.sent.splitlines())]
    return lines


def print_in_colour(explanation: Explanation) -> None:
    """Print an explanation on a terminal, as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=False)
    table = Table(box=None, pad_edge=False)
    for title in ("verdict", "field", "rule"):
        table.add_column(title, overflow="fold", no_wrap=title == "verdict")
    for note in explanation.notes:
        colour = COLOURS[note.verdict]
        table.add_row(Text(note.verdict, colour), Text(f"{note.name}: {note.value}"), Text(note.rule, "dim"))
    if explanation.notes:
        console.print(table)
        console.print()
    for remark in explanation.remarks:
        console.print(Text(remark))
    if explanation.sent:
        console.print(Text("\nThe next hop is sent:\n"))
    for line in explanation.sent.splitlines():
        console.print(Text(f"  {line}", "cyan"), overflow="fold")


def safe(lines: Fields) -> Fields:
    """The lines with secrets masked."""
    return [(line[0], shown_value(line).encode("latin-1")) for line in lines]


def shown_head(head: bytes) -> str:
    """A head as text, without control characters that a terminal would obey."""
    text = head.decode("latin-1").replace("\r\n", "\n").rstrip("\n")
    return re.sub(r"[^\n\t -~\u00a0-\u00ff]", "?", text)  # Latin-1 has control characters that terminals obey
