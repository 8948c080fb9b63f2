"""What happens in a world, line by line, as a person reads it."""

import re
from collections.abc import Callable

_PIECE = re.compile(r" *([0-9.]+)  (.* → .*): ([0-9]+) bytes")


class Trace:
    """Joins pieces that arrive one after the other on the same connection into a line."""

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._route = ""
        self._lines: list[tuple[str, int]] = []  # when, and how many bytes

    def __call__(self, line: str) -> None:
        """Take the next line."""
        piece = _PIECE.fullmatch(line)
        if piece is None or piece[2] != self._route:
            self.flush()
        if piece is None:
            self._say(line)
            return
        self._route = piece[2]
        self._lines.append((piece[1], int(piece[3])))

    def flush(self) -> None:
        """Say what is still held back."""
        if self._lines:
            total = sum(count for _, count in self._lines)
            text = f"{self._lines[0][0]:>10}  {self._route}: {total} bytes"
            if len(self._lines) > 1:
                text += f" in {len(self._lines)} pieces, until {self._lines[-1][0]}"
            self._say(text)
            self._lines.clear()
        self._route = ""
