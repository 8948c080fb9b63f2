"""A cache for functions of short byte strings that peers choose, bounded in entries and in bytes."""

from collections.abc import Callable
from typing import Final, TypeVar

#: Longest text that is remembered: a table of hundreds of longer ones would take megabytes.
MOST_KEY_BYTES: Final = 256

K = TypeVar("K")
V = TypeVar("V")


def remember(table: dict[K, V], key: K, value: V, most: int) -> None:
    """Put an entry into a table of at most `most`. A full one is emptied first: real traffic repeats a few texts, which
    are in it again at once."""
    if len(table) >= most:
        table.clear()
    table[key] = value


class Remembered(dict[bytes, V]):
    """A function of a short text, as a table: `table[text]` is the function's result, which is computed once.

    Not `functools.lru_cache`: on the hot path a look-up costs a third of it.
    """

    __slots__ = ("_function", "_is_kept", "_most")

    def __init__(self, function: Callable[[bytes], V], most: int, is_kept: Callable[[V], bool] | None = None) -> None:
        """At most so many results are remembered, of those only the ones of which `is_kept` says yes."""
        super().__init__()
        self._function = function
        self._most = most
        self._is_kept = is_kept

    def __missing__(self, text: bytes) -> V:
        found = self._function(text)
        if len(text) <= MOST_KEY_BYTES and (self._is_kept is None or self._is_kept(found)):
            remember(self, text, found, self._most)
        return found
