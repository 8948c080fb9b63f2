"""What no pattern of the proxy may hold, whatever the interpreter that runs the tests makes of it."""

import importlib
import pkgutil
import re
from collections.abc import Iterable
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import proxy


def _patterns() -> dict[str, re.Pattern[Any]]:
    found = {}
    for module in pkgutil.walk_packages(proxy.__path__, "proxy."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    found[f"{module.name}.{name}"] = value
    return found


def _groups_without_backtracking(parsed: Iterable[Any]) -> list[str]:
    """The possessive and atomic groups in a parsed pattern; a possessive repeat of one character class is none."""
    found = []
    for code, argument in parsed:
        if code is codes.ATOMIC_GROUP:
            found.append("atomic group")
        elif code is codes.POSSESSIVE_REPEAT:
            repeated = argument[2]
            if len(repeated) != 1 or repeated[0][0] not in (codes.IN, codes.LITERAL, codes.NOT_LITERAL, codes.ANY):
                found.append("possessive group")
        children = argument if isinstance(argument, tuple | list) else (argument,)
        for child in children:
            if isinstance(child, parser.SubPattern):
                found += _groups_without_backtracking(child)
            elif isinstance(child, list):
                for branch in child:
                    if isinstance(branch, parser.SubPattern):
                        found += _groups_without_backtracking(branch)
    return found


def test_no_pattern_has_a_group_that_some_interpreters_match_wrongly() -> None:
    # gh-106052: CPython 3.11.0 to 3.11.4 take a possessive group's failed last round for a match. Heads were cut in two.
    patterns = _patterns()
    assert "proxy.http1.parsing.fast_path._REQUEST_LINE" in patterns
    wrong = {
        name: found
        for name, pattern in patterns.items()
        if (
            found := _groups_without_backtracking(
                parser.parse(
                    pattern.pattern,
                    pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags,
                )
            )
        )
    }
    assert wrong == {}


def test_the_search_for_such_groups_finds_them() -> None:
    for pattern in (rb"(?:ab|c)++", rb"(?:ab)*+", rb"(?>ab|c)", rb"x(?:y(?:ab)?+)", rb"a|(?:cd)?+"):
        assert _groups_without_backtracking(parser.parse(pattern)), pattern
    assert _groups_without_backtracking(parser.parse(rb"[a-c]*+a?+.++")) == []
