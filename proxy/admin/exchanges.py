"""The last exchanges that workers reported, and the clients that follow them. Bounded in number and in bytes."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

_KEPT: Final = 500
_KEPT_BYTES: Final = 16 * 1024 * 1024
_MOST_LOOKERS: Final = 16

Numbered: TypeAlias = tuple[int, bytes]


class Looker:
    """A client that follows exchanges at its own pace. It holds none: one that is slow misses those that are no longer
    kept, and costs neither memory nor anybody's time."""

    def __init__(self, number: int, after: Callable[[int], Numbered | None]) -> None:
        """Follow those above `number`; `after` finds the first that is kept above a number."""
        self.number = number  # of the last exchange that was taken
        self._after = after
        self._more = asyncio.Event()
        self.is_at_end = False

    def wake(self) -> None:
        """There is another exchange."""
        self._more.set()

    def end(self) -> None:
        """End: there will be no more."""
        self.is_at_end = True
        self._more.set()

    async def next(self, patience_s: float) -> Numbered | None:
        """The next exchange with its number; None where there was none for `patience_s`, or at the end."""
        found = self._after(self.number)
        if found is None and not self.is_at_end:
            self._more.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._more.wait()
            except TimeoutError:
                return None
            found = self._after(self.number)
        if found is not None:
            self.number = found[0]
        return found


class Exchanges:
    """What the inspector shows."""

    def __init__(self, told_before: int = 0) -> None:
        """The first exchange gets the number `told_before` + 1. It must be greater than any of the previous control
        process: a client that comes back after a reload names the last number it knows, and would miss some."""
        self._recent: deque[Numbered] = deque()  # with numbers that follow one another
        self._bytes = 0
        self.newest = told_before  # the number of the last exchange
        self._lookers: set[Looker] = set()
        self._is_at_end = False

    def add(self, exchange: bytes) -> None:
        """Keep an exchange that a worker reported, as JSON."""
        self.newest += 1
        self._recent.append((self.newest, exchange))
        self._bytes += len(exchange)
        while len(self._recent) > _KEPT or self._bytes > _KEPT_BYTES:
            self._bytes -= len(self._recent.popleft()[1])
        for looker in self._lookers:
            looker.wake()

    def end(self) -> None:
        """End all followers, because this process ends. They may come back to the next one."""
        self._is_at_end = True
        for looker in self._lookers:
            looker.end()

    @property
    def is_full(self) -> bool:
        """Whether no more followers are accepted."""
        return len(self._lookers) >= _MOST_LOOKERS

    @contextmanager
    def looking(self, after: int = 0) -> Iterator[Looker]:
        """Follow: first the kept exchanges with a number above `after`, then each new one."""
        if after > self.newest:
            after = 0  # a number of an earlier control process
        looker = Looker(max(after, self.newest - len(self._recent)), self._first_after)
        if self._is_at_end or self.is_full:  # several may have asked before the first of them began
            looker.end()
        else:
            self._lookers.add(looker)
        try:
            yield looker
        finally:
            self._lookers.discard(looker)

    def _first_after(self, number: int) -> Numbered | None:
        place = max(0, number - self.newest + len(self._recent))
        return self._recent[place] if place < len(self._recent) else None
