"""Where fibers wait, and what keeps each one's exceptions to itself. Stays interpreted where the code around it is
compiled: it is what compiled code lacks."""

from collections.abc import Awaitable, Coroutine
from typing import Any, Final, cast

_ONCE: Final = (None,)


class _Parked:
    """Yields once. Not a generator made by `types.coroutine`, which compiled code cannot await; and no function of ours
    is called for it."""

    __slots__ = ()

    __await__ = staticmethod(_ONCE.__iter__)


#: Awaited, lets a fiber wait until somebody resumes it, who must know it by then: `fiber.running`.
PARKED: Final = cast("Awaitable[None]", _Parked())


async def apart(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine whose own code may be compiled. Python keeps the exception that a coroutine handles with that
    coroutine, and mypyc keeps it with the thread: one that waits while it handles an exception would leave it to all
    others, whose own would refer to it, and that one to the one before, without end."""
    await coroutine
