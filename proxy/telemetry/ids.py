"""Request ids, and the value of `Date`."""

import secrets
import time
from email.utils import formatdate
from typing import Protocol


class HttpDate:
    """The value of `Date`, made once a second (RFC 9110 §5.6.7): `now`.

    A method, not `__call__`, which costs twice as much on CPython 3.11.
    """

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def now(self) -> bytes:
        """The value of `Date`."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode("ascii")
        return self._text


class Given(Protocol):
    """Holds a number, as its first item: a list, or shared memory."""

    def __getitem__(self, index: int, /) -> int: ...

    def __setitem__(self, index: int, value: int, /) -> None: ...


class RequestIds:
    """Ids unique to this worker, from `next`: a random prefix and a count. To find a request by, not to keep secret."""

    def __init__(self, given: Given | None = None) -> None:
        """`given[0]` holds how many ids were given: in shared memory, it tells others how many exchanges have begun."""
        self._prefix = secrets.token_hex(6)
        self._given: Given = [0] if given is None else given
        self._count = self._given[0]

    def next(self) -> str:
        """Another id."""
        self._given[0] = self._count = self._count + 1
        return f"{self._prefix}-{self._count:x}"
