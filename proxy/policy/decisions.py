"""What was decided about each field line of a message, recorded by the function that decides. What becomes of a request
as a whole is decided in `request_plan`.

`explain`, the demo page and the inspector show these. On the hot path nothing is recorded: the deciding functions are
given None in place of a `Decisions`.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from proxy.http1.fields import FieldLine, Fields


class Outcome(Enum):
    """What became of a field line."""

    KEPT = "kept"
    NOMINATED = "nominated"  # stripped: an option of `Connection` names it
    HOP_BY_HOP = "hop_by_hop"  # stripped: by definition
    UNTRUSTED = "untrusted"  # removed: only a trusted peer may send it
    UNDERSCORE = "underscore"  # removed: its name has a `_`, and the configuration drops such names
    FORBIDDEN_TRAILER = "forbidden_trailer"  # removed: not allowed in a trailer section
    REMOVED_BY_ROUTE = "removed_by_route"
    ANSWERED_HERE = "answered_here"  # not forwarded: the whole request was answered by this proxy
    REPLACED = "replaced"  # removed, because this hop or the route states the field anew
    SET = "set"  # stated by this hop or the route

    @property
    def verdict(self) -> str:
        """The outcome in one of five words: kept, stripped, untrusted, replaced, set."""
        return self.value if self.value in _FIVE_WORDS else "stripped"


_FIVE_WORDS = frozenset({"kept", "untrusted", "replaced", "set"})


class Rule(NamedTuple):
    """Why a field line has an outcome, in words for a person."""

    outcome: Outcome
    text: str


class Decision(NamedTuple):
    """What was decided about one field line, and by which rule."""

    line: FieldLine
    outcome: Outcome
    rule: str


class Decisions:
    """The decisions about one message: received lines in their order, then what was stated."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        # By the line's identity: equal lines are decided one by one.
        self._made: dict[int, tuple[FieldLine, Rule]] = {}

    def __iter__(self) -> Iterator[Decision]:
        for line, rule in self._made.values():
            yield Decision(line, rule.outcome, rule.text)

    def __len__(self) -> int:
        return len(self._made)

    def made(self) -> Iterable[tuple[FieldLine, Rule]]:
        """Each line with the rule that decided about it."""
        return self._made.values()

    def distinct(self, lines: Fields) -> Fields:
        """Lines that were received, each as an object of its own: equal ones may have been read as one."""
        return [line if id(line) in self._made else (line[0], line[1]) for line in lines]

    def decide(self, line: FieldLine, rule: Rule) -> None:
        """Record a decision. One about a line that was decided before takes that one's place."""
        self._made[id(line)] = line, rule

    def decide_all(self, lines: Iterable[FieldLine], rule: Rule) -> None:
        """Record the same decision about several lines."""
        self._made.update({id(line): (line, rule) for line in lines})
