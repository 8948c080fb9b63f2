"""Health checks: an address is connected to, TLS included, and where a path is configured, asked for it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeAlias

from proxy.errors import LimitReached, ProxyError
from proxy.http1.limits import MessageLimits
from proxy.http1.message import ResponseHead
from proxy.transport.deadlines import NEVER
from proxy.transport.fiber import Fiber
from proxy.transport.stream import Stream
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.health.settings import HealthCheckSettings, status_ranges
from proxy.upstream.origin import Origin

_JITTER: Final = 0.1  # of the interval: else all addresses would be asked at the same moment, for ever
AT_ONCE: Final = 64  # checks under way
_LIMITS: Final = MessageLimits()

Connect: TypeAlias = Callable[[Origin], Awaitable[Stream]]


async def ask(connect: Connect, origin: Origin, settings: HealthCheckSettings, host: str = "") -> str | None:
    """Ask one health check once; to be awaited in a task. `host` is the upstream's, "" where it has none.

    Returns None where it passes, else why not. Raises LimitReached where this process lacks descriptors.
    """
    try:
        async with asyncio.timeout(settings.timeout_s):
            stream = await connect(origin)
            try:
                return await _answer(stream, origin, settings, host) if settings.path else None
            finally:
                stream.close()
    except TimeoutError:
        return f"no answer in {settings.timeout_s:g} s"
    except LimitReached:
        raise
    except ProxyError as error:
        return error.detail or error.code


async def _answer(stream: Stream, origin: Origin, settings: HealthCheckSettings, host: str) -> str | None:
    named = (settings.host or host).encode("latin-1") or origin.authority
    stream.write(
        b"GET %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: onehop health check\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        % (settings.path.encode("ascii"), named)
    )
    head = await _final_head(UpstreamConnection(origin, stream, _LIMITS, 0.0, fast_path=False))
    if any(first <= head.status <= last for first, last in status_ranges(settings.status)):
        return None
    return f"status {head.status}"


async def _final_head(connection: UpstreamConnection) -> ResponseHead:
    """Read the final response's head: a fiber reads, and this task waits for it."""
    ended: asyncio.Future[ResponseHead] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        connection.head_deadline = NEVER  # the time for the whole check bounds it
        while (head := await connection.read_head(b"GET")).status < 200:
            pass
        if not ended.done():
            ended.set_result(head)

    def failed(error: BaseException | None) -> None:
        if error is not None and not ended.done():
            ended.set_exception(error)

    reading = Fiber(read(), failed)
    reading.resume()
    try:
        return await ended
    finally:
        reading.cancel()


class Checks:
    """Asks the health check of one upstream, at each of its addresses, by a task for each."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ask_once: Callable[[Origin], Awaitable[str | None]],
        *,
        interval_s: float,
        on_result: Callable[[Origin, str | None], None],
        at_once: asyncio.Semaphore,
    ) -> None:
        """`on_result` is called with the result of each check: None where it passed, else why not."""
        self._loop = loop
        self._ask_once = ask_once
        self._interval_s = interval_s
        self._on_result = on_result
        self._at_once = at_once
        self._tasks: dict[Origin, asyncio.Task[None]] = {}

    def watch(self, origins: Collection[Origin]) -> None:
        """From now on, ask these and no others."""
        wanted = set(origins)
        # In the order in which they began, not in that of hashes: a simulated world has to repeat.
        for origin in [origin for origin in self._tasks if origin not in wanted]:
            self._tasks.pop(origin).cancel()
        for origin in origins:
            if origin not in self._tasks:
                self._tasks[origin] = self._loop.create_task(self._check(origin))

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._tasks.values())
        self.watch(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _check(self, origin: Origin) -> None:
        while True:
            try:
                async with self._at_once:
                    result = await self._ask_once(origin)
                self._on_result(origin, result)
            except LimitReached:
                pass  # we lack descriptors: that says nothing about the address
            except Exception as exc:  # a defect of ours: it is reported, and the address is still checked
                self._loop.call_exception_handler({"message": f"a health check of {origin} failed", "exception": exc})
            share = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  # no secret
            await asyncio.sleep(self._interval_s * share)
