"""The addresses of names, looked up again and again, so that a service that moves is followed.

If a lookup fails or finds nothing, the last addresses stay in use.
"""

import asyncio
import contextlib
import ipaddress
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from proxy.errors import ProxyError

_AGAIN_S: Final = 1.0  # while a name has never had an address; doubles up to `_AGAIN_MOST_S`
_AGAIN_MOST_S: Final = 5.0
_JITTER: Final = 0.1  # of the time: else all instances that were started together would ask together
_MOST_ADDRESSES: Final = 256  # of one name


def is_name(host: str) -> bool:
    """Whether the addresses of a host are to be looked up and used one by one. `localhost` is this machine, at any of
    its addresses (RFC 6761 §6.3): the connector tries them all."""
    if not host or host.removesuffix(".").rpartition(".")[2].lower() == "localhost":
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


class Names:
    """Follows names, each by a task of its own: one whose servers are silent delays no other."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lookup: Callable[[str], Awaitable[list[str]]],
        *,
        on_found: Callable[[str, list[str]], None],
        on_failed: Callable[[str, str], None],
        is_failing: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """While requests fail at an address of a name (`is_failing`), it is looked up every second: it may have moved.
        So it is as soon as `look_again` says that one failed.

        `lookup` may raise ProxyError and OSError. `on_found` gets what was found, each time; `on_failed` why not,
        the first time in a row."""
        self._loop = loop
        self._lookup = lookup
        self._on_found = on_found
        self._on_failed = on_failed
        self._tasks: list[asyncio.Task[None]] = []
        self._failing: set[str] = set()
        self._is_failing = is_failing
        self._found: set[str] = set()
        self._wanted: dict[str, asyncio.Event] = {}  # by name: somebody asks for another lookup

    def follow(self, hosts: Iterable[tuple[str, float]]) -> None:
        """Look these up now, and then again and again after their seconds: the fewest, of a name listed twice."""
        every: dict[str, float] = {}
        for host, seconds in hosts:
            every[host] = min(seconds, every.get(host, seconds))
            self._wanted[host] = asyncio.Event()
        self._tasks += [self._loop.create_task(self._follow(host, seconds)) for host, seconds in every.items()]

    def look_again(self, host: str) -> None:
        """A request has failed at an address of a name that is followed: look it up now, or a second after the last
        time."""
        if host in self._wanted:
            self._wanted[host].set()

    async def close(self) -> None:
        """Stop looking names up."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, host: str, every_s: float) -> None:
        again_s = min(_AGAIN_S, every_s)
        while True:
            was_found = False
            self._wanted[host].clear()
            try:
                was_found = await self._look_up(host)
            except Exception as exc:  # a defect of ours: it is reported, and the name is still followed
                self._loop.call_exception_handler({"message": f"looking up {host} failed", "exception": exc})
            pause_s = every_s if host in self._found else again_s
            if not was_found:
                again_s = min(2 * again_s, _AGAIN_MOST_S, every_s)
            await self._pause(host, pause_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311  # no secret

    async def _look_up(self, host: str) -> bool:
        """Look a name up once, and tell what came of it; return whether it was found."""
        try:
            addresses = await self._lookup(host)
        except (ProxyError, OSError) as error:
            if host not in self._failing:
                self._failing.add(host)
                self._on_failed(host, getattr(error, "detail", "") or str(error))
            return False
        self._failing.discard(host)
        self._on_found(host, addresses[:_MOST_ADDRESSES])
        self._found.add(host)
        return True

    async def _pause(self, host: str, seconds: float) -> None:
        ends_at = self._loop.time() + seconds
        await asyncio.sleep(min(seconds, _AGAIN_S))
        while (left_s := ends_at - self._loop.time()) > 0:
            try:
                if self._is_failing(host):
                    return
            except Exception as exc:  # as above
                message = f"asking whether requests to {host} fail failed"
                self._loop.call_exception_handler({"message": message, "exception": exc})
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _AGAIN_S)):
                    await self._wanted[host].wait()
                    return
