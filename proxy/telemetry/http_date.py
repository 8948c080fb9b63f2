"""The value of the field `Date`. Never compiled, because tests replace `now`."""

import time
from email.utils import formatdate


class HttpDate:
    """Makes the value of `Date` (RFC 9110 §5.6.7), once a second.

    `now` is a method because `__call__` costs twice as much on CPython 3.11.
    """

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def now(self) -> bytes:
        """The value of `Date` for this second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode("ascii")
        return self._text
