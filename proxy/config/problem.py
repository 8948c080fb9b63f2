"""Values as they were given, and what is wrong with them."""

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.telemetry.escaping import escape_control

#: A key's place: ("timeouts", "connect_s").
KeyPath: TypeAlias = tuple[str, ...]

_AS_IN_TOML: Final = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Value(NamedTuple):
    """A value that was given for a key, and where: a file with its line, a variable, a flag."""

    value: Any
    source: str
    line: int | None = None
    folder: Path = Path()  # what relative paths in it are relative to
    expanded: bool = False  # whether a reference in it was replaced: the resulting text may be meant as a number
    secret: bool = False  # whether some of it came from a secret's file: it is not shown

    @property
    def origin(self) -> str:
        """Where it was given, as "FILE:LINE" or the name of a variable or flag."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


class Problem(NamedTuple):
    """One thing wrong with the configuration, as a person must read it."""

    source: str
    line: int | None
    key: str
    value: str
    expected: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        said = f"{self.key} = {self.value}" if self.key and self.value else self.key
        line = ": ".join(part for part in (where, said, self.expected) if part)
        return escape_control(line.translate(_AS_IN_TOML))


class InvalidConfiguration(Exception):
    """A configuration that cannot be served, with everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def problem_at(place: Value | None, key: str, value: str, expected: str) -> Problem:
    """A problem of something that was given at `place`, where that is known."""
    return Problem(place.source if place else "", place.line if place else None, key, value, expected)


def nearest(values: Mapping[KeyPath, Value], key: KeyPath) -> Value | None:
    """The value given for this key, or else for the nearest table around it."""
    for end in range(len(key), 0, -1):
        for known, value in values.items():
            if known[:end] == key[:end]:
                return value
    return None


def suggestion(name: str, known: Collection[str]) -> str:
    """`, did you mean "..."?` where a known name is near enough to be meant; else nothing.

    Dotted keys are compared by their last part: what comes before is the same in all of them.
    """
    by_last_part = {key.rpartition(".")[2]: key for key in known}
    near = difflib.get_close_matches(name.rpartition(".")[2], by_last_part, n=1, cutoff=0.75)
    return f', did you mean "{by_last_part[near[0]]}"?' if near else ""
