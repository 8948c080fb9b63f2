"""What a rule finds wrong. `sources` makes problems of findings: it knows where each value came from."""

from collections.abc import Callable
from typing import TypeAlias

#: Key, value as shown, what was expected.
Finding: TypeAlias = tuple[tuple[str, ...], str, str]


def fault(parse: Callable[[str], object], text: str) -> str | None:
    """The parser's error message, or None."""
    try:
        parse(text)
    except ValueError as exc:
        return str(exc)
    return None
