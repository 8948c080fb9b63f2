"""The last exchanges that workers reported, and the clients that follow them. Bounded in number and in bytes."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_KEPT: Final = 500
_KEPT_BYTES: Final = 16 * 1024 * 1024
_MOST_LOOKERS: Final = 16
_BEHIND: Final = 256  # exchanges that one looker has not taken yet; beyond that, the oldest is dropped


class Looker:
    """A client that follows exchanges at its own pace: a slow one misses some, and delays nobody."""

    def __init__(self, recent: list[tuple[int, bytes]]) -> None:
        self._untold: deque[tuple[int, bytes]] = deque(recent, maxlen=_BEHIND)
        self._more = asyncio.Event()
        self.is_at_end = False

    def put(self, number: int, exchange: bytes) -> None:
        """Add an exchange."""
        self._untold.append((number, exchange))
        self._more.set()

    def end(self) -> None:
        """End: there will be no more."""
        self.is_at_end = True
        self._more.set()

    @property
    def waiting(self) -> int:
        """How many have not been taken yet."""
        return len(self._untold)

    async def next(self, patience_s: float) -> tuple[int, bytes] | None:
        """The next exchange with its number; None where there was none for `patience_s`, or at the end."""
        if not self._untold and not self.is_at_end:
            self._more.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._more.wait()
            except TimeoutError:
                return None
        return self._untold.popleft() if self._untold else None


class Exchanges:
    """What the inspector shows."""

    def __init__(self, told_before: int = 0) -> None:
        """The first exchange gets the number `told_before` + 1. It must be greater than any of the previous control
        process: a client that comes back after a reload names the last number it knows, and would miss some."""
        self._recent: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._count = told_before
        self._lookers: set[Looker] = set()
        self._is_at_end = False

    def add(self, exchange: bytes) -> None:
        """Keep an exchange that a worker reported, as JSON."""
        self._count += 1
        self._recent.append((self._count, exchange))
        self._bytes += len(exchange)
        while len(self._recent) > _KEPT or self._bytes > _KEPT_BYTES:
            self._bytes -= len(self._recent.popleft()[1])
        for looker in self._lookers:
            looker.put(self._count, exchange)

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
        if after > self._count:
            after = 0  # a number of an earlier control process
        looker = Looker([each for each in self._recent if each[0] > after])
        self._lookers.add(looker)
        if self._is_at_end:
            looker.end()
        try:
            yield looker
        finally:
            self._lookers.discard(looker)
