"""Connecting to addresses whose ejection is over, before a request tries: one that swallows connections would cost each
such request `connect_s`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from proxy.errors import LimitReached, ProxyError
from proxy.transport.stream import Stream
from proxy.upstream.connector import close_unused
from proxy.upstream.origin import Origin

#: Told of an address: None where it accepts connections, else why not.
OnTried: TypeAlias = Callable[[Origin, str | None], None]


class Returning:
    """Tries connections, one per address at a time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connect: Callable[[Origin], Awaitable[Stream]], on_tried: OnTried
    ) -> None:
        self._loop = loop
        self._connect = connect
        self._on_tried = on_tried
        self._attempts: dict[Origin, asyncio.Task[None]] = {}

    def start(self, origins: Iterable[Origin]) -> None:
        """Try these, where that is not under way."""
        for origin in origins:
            if origin not in self._attempts:
                self._attempts[origin] = self._loop.create_task(self._try(origin))

    def close(self) -> None:
        """Give up what is under way."""
        for attempt in self._attempts.values():
            attempt.cancel()

    async def _try(self, origin: Origin) -> None:
        cause: str | None = None
        opening = self._loop.create_task(self._open(origin))
        try:
            stream = await opening
        except LimitReached:
            return  # ours: says nothing of the address
        except ProxyError as error:
            cause = error.detail or error.code
        except Exception as exc:  # counts as a failure, or the next attempt would come at once
            self._loop.call_exception_handler({"message": f"trying {origin} failed", "exception": exc})
            cause = "a defect of this proxy: its error log says more"
        except BaseException:
            opening.add_done_callback(close_unused)
            raise
        else:
            stream.abort()
        finally:
            del self._attempts[origin]
        self._on_tried(origin, cause)

    async def _open(self, origin: Origin) -> Stream:
        return await self._connect(origin)
