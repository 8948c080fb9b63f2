"""Request ids."""

import secrets


class RequestIds:
    """Makes ids that are unique to this worker: a random prefix and a count. They serve to find a request, and are not
    secret."""

    __slots__ = ("_count", "_given", "_prefix")

    def __init__(self, given: "list[int] | memoryview[int] | None" = None) -> None:
        """`given[0]` holds how many ids were given: in shared memory, it tells others how many exchanges have begun."""
        self._prefix = secrets.token_hex(6)
        self._given: list[int] | memoryview[int] = [0] if given is None else given
        self._count = self._given[0]

    def next(self) -> str:
        """Another id."""
        self._given[0] = self._count = self._count + 1
        return f"{self._prefix}-{self._count}"
