"""What was found out about a few bytes that a peer chose: remembered, and bounded in number and in bytes."""

from collections.abc import Callable
from typing import Final, TypeVar

#: Of a text that is remembered: with hundreds of longer ones, a table would be megabytes.
MOST_KEY_BYTES: Final = 256

V = TypeVar("V")


class Remembered(dict[bytes, V]):
    """A function of a short text, as a table: `table[text]` is what the function returns, now or long ago.

    Not `functools.lru_cache`: on the hot path a look-up costs a third of it. A full table is emptied: what real traffic
    says is in it again at once.
    """

    __slots__ = ("_function", "_most")

    def __init__(self, function: Callable[[bytes], V], most: int) -> None:
        super().__init__()
        self._function = function
        self._most = most

    def __missing__(self, text: bytes) -> V:
        found = self._function(text)
        if len(text) <= MOST_KEY_BYTES:
            if len(self) >= self._most:
                self.clear()
            self[text] = found
        return found
