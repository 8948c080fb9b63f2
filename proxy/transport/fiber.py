"""A connection's coroutine, resumed at once by what it waits for.

asyncio resumes a Task by way of a future, a handle and a turn of its loop: twice per request, a tenth of what a
request costs. A fiber is resumed inside the very callback that brings the bytes. It may await asyncio's futures and
tasks like any coroutine; only what asks for the current task (`asyncio.timeout`) wants a task of its own.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

from proxy.transport.parking import PARKED, isolate, throw

#: The fiber that runs now; None while the loop does.
running: "Fiber | None" = None


class Fiber:
    """One running coroutine. `on_end` is called once it has ended, with the exception that ended it, if any.

    Only the object for which it waits resumes it, never two. Nothing that a callback resumes may raise into it.
    """

    __slots__ = ("_coroutine", "_future", "_joining", "_on_end", "ended")

    def __init__(
        self, coroutine: Coroutine[Any, Any, object], on_end: Callable[[BaseException | None], None] | None = None
    ) -> None:
        self._coroutine = coroutine if isinstance(coroutine, CoroutineType) else isolate(coroutine)
        self._on_end = on_end
        self._future: asyncio.Future[Any] | None = None
        self._joining: Fiber | None = None
        self.ended = False

    def resume(self, error: BaseException | None = None) -> None:
        """Run until it waits again, or ends. `error`, if any, is raised where it waits."""
        global running
        outer, running = running, self
        try:
            awaited = self._coroutine.send(None) if error is None else throw(self._coroutine, error)
        except StopIteration:
            self._end(None)
        except BaseException as exc:
            self._end(exc)
        else:
            if awaited is not None:
                self._await(awaited)
        finally:
            running = outer

    def cancel(self) -> None:
        """Raise CancelledError where it waits; what it does about that happens before this returns."""
        self.interrupt(asyncio.CancelledError())

    def interrupt(self, error: BaseException) -> None:
        """Raise `error` where it waits, and give up the future that it waits for, if any."""
        if self.ended:
            return
        if self._future is not None:
            self._future.remove_done_callback(self._resume_after)
            self._future.cancel()
            self._future = None
        self.resume(error=error)

    async def join(self) -> None:
        """Wait, in another fiber, until this one has ended."""
        if not self.ended:
            self._joining = running
            try:
                await PARKED
            finally:
                self._joining = None

    def _await(self, future: asyncio.Future[Any]) -> None:
        """Wait for one of asyncio's: the protocol between a Task and a Future, PEP 3156."""
        future._asyncio_future_blocking = False
        future.add_done_callback(self._resume_after)
        self._future = future

    def _resume_after(self, future: asyncio.Future[Any]) -> None:
        if self._future is future:  # else interrupted while this call was scheduled already: it waits elsewhere
            self._future = None
            self.resume()

    def _end(self, exc: BaseException | None) -> None:
        self.ended = True
        if self._on_end is not None:
            self._on_end(exc)
        elif exc is not None and not isinstance(exc, asyncio.CancelledError):
            asyncio.get_running_loop().call_exception_handler({"message": "a fiber failed", "exception": exc})
        if self._joining is not None:
            self._joining.resume()


async def yield_to_loop() -> None:
    """Leave a turn of the event loop to others."""
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(_settle, turned)
    await turned


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def in_fiber(coroutine: Coroutine[Any, Any, object]) -> None:
    """Await, in a task, what has to run as a fiber: what reads from a stream."""
    ended = asyncio.get_running_loop().create_future()

    def settle(error: BaseException | None) -> None:
        if ended.done():
            return  # this task was cancelled
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    fiber = Fiber(coroutine, settle)
    fiber.resume()
    try:
        await ended
    finally:
        fiber.cancel()
