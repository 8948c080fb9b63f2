"""Where fibers wait, and what keeps the exception that one fiber handles from others.

Never compiled: mypyc's coroutines can do neither.
"""

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
    """Carries an exception into `isolate`, which raises it in the coroutine by itself: see there."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def isolate(coroutine: Coroutine[Any, Any, object]) -> Generator[Any, None, None]:
    """Run a coroutine whose code may be compiled, with an exception state of its own.

    Python stores the exception that a coroutine handles (`sys.exception()`) with that coroutine; mypyc stores it with
    whatever called it. So a compiled coroutine that waits within an `except` would leave its exception to all others:
    each of theirs would get it as `__context__`, in a chain that grows without end. This generator is what it is stored
    with instead.

    To raise an exception in the coroutine, throw `Thrown` (as `throw` does). `throw` of a generator that waits in a
    `yield from` goes to the inner iterator first, outside of this generator's exception state: the exception would stay
    with the caller, and a bare `raise` in the coroutine would find another one. So the inner iterator is a `chain`,
    which has no `throw`: `Thrown` is raised here, and its exception thrown into the coroutine from here.
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
    """Raise `error` in a coroutine where it waits; return what it waits for next. Raises what it raises, StopIteration
    at its end."""
    if isinstance(coroutine, GeneratorType) and coroutine.gi_suspended:
        return coroutine.throw(Thrown(error))
    return coroutine.throw(error)  # a coroutine of Python's own, or one that has not begun
