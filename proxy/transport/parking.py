"""Where fibers wait, and what keeps each one's exceptions to itself. Stays interpreted where the code around it is
compiled: it is what compiled code lacks."""

from collections.abc import Awaitable, Coroutine, Generator
from itertools import chain
from types import GeneratorType
from typing import Any, Final, cast

_ONCE: Final = (None,)


class _Parked:
    """Yields once. Not a generator made by `types.coroutine`, which compiled code cannot await; and no function of ours
    is called for it."""

    __slots__ = ()

    __await__ = staticmethod(_ONCE.__iter__)


#: Awaited, lets a fiber wait until somebody resumes it, who must know it by then: `fiber.running`.
PARKED: Final = cast("Awaitable[None]", _Parked())


class Thrown(Exception):
    """Carries what is thrown in past what Python would do with it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def apart(coroutine: Coroutine[Any, Any, object]) -> Generator[Any, None, None]:
    """Run a coroutine whose own code may be compiled. Python keeps the exception that a coroutine handles with that
    coroutine, and mypyc keeps it with whatever runs: one that waits while it handles an exception would leave it to all
    others, whose own would refer to it, and that one to the one before, without end.

    `Thrown` is what to throw in. Python hands what is thrown to what a generator waits for before the generator itself
    runs: the exception would be left with the thrower, and what is raised again later would be another one, found here.
    So this waits for an iterator that has no `throw`, and throws by itself.
    """
    iterator = cast("Generator[Any, None, None]", coroutine.__await__())
    steps, error = chain(iterator), None
    while True:
        try:
            if error is None:
                yield from steps
                return
            try:
                awaited = iterator.throw(error)
            finally:
                error = None  # its traceback holds this frame
            yield awaited
        except StopIteration:
            return
        except Thrown as thrown:
            error = thrown.error
        except GeneratorExit:
            iterator.close()
            raise


def throw(coroutine: "Coroutine[Any, Any, object] | Generator[Any, None, object]", error: BaseException) -> Any:
    """Raise `error` where it waits, and return what it waits for next."""
    if isinstance(coroutine, GeneratorType) and coroutine.gi_suspended:
        return coroutine.throw(Thrown(error))
    return coroutine.throw(error)  # Python's own, or it has not begun
