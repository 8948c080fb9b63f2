"""Opening a stream to an origin: the name's addresses, one attempt after another, until one of them accepts.

RFC 8305 in its simple form: an attempt that has not succeeded after a moment is not given up but joined by one at the
next address, and the first that succeeds is used.
"""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable
from typing import Final

from proxy.errors import ConnectFailed, ConnectTimeout, LimitReached, ProxyError, TlsFailed
from proxy.transport.deadlines import NEVER, Deadlines
from proxy.transport.fiber import in_fiber
from proxy.transport.stream import ConnectionEnded, Stream
from proxy.transport.tls import client_context, tls_code, tls_reason
from proxy.transport.tls_stream import TlsStream
from proxy.upstream.openings import Openings
from proxy.upstream.origin import Origin
from proxy.upstream.resolver import Resolver, interleaved

_OUR_SHORTAGE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
_MOST_SESSIONS: Final = 1024  # kept for resumption, one of each origin
_SOON_S: Final = 1.0  # for a lookup on which only a further attempt depends
_MOST_ADDRESSES: Final = 16  # of one name: all silent, they cost a request 15 delays and one `connect_s`


class Connector:
    """Opens streams to origins, for everyone in a worker who needs one."""

    def __init__(
        self,
        deadlines: Deadlines,
        resolver: Resolver,
        *,
        connect_s: float,
        attempt_delay_s: float = 0.25,  # RFC 8305 §8
    ) -> None:
        self._deadlines = deadlines
        self._resolver = resolver
        self._connect_s = connect_s
        self._attempt_delay_s = attempt_delay_s
        self.openings = Openings()
        self._sessions: dict[Origin, tuple[ssl.SSLContext, ssl.SSLSession]] = {}

    async def connect(self, origin: Origin, connect_s: float | None = None) -> Stream:
        """Open a stream; to be awaited in a task, not in a bare fiber.

        Raises ConnectFailed (refused, unroutable, no such name), ConnectTimeout (no address accepted within
        `connect_s` of its attempt, the lookup took too long, or it was given up by `openings`), and LimitReached where
        this process lacks descriptors, ports or memory. Without a `connect_s` of its own, the connector's counts.
        """
        attempt, loop, stream = asyncio.current_task(), self._deadlines.loop, None
        assert attempt is not None
        self.openings.begin(origin, attempt, loop.time(), connect_s or self._connect_s)
        try:
            stream = await self._connect(origin, connect_s)
        except asyncio.CancelledError as exc:
            if self.openings.is_given_up(attempt):
                raise ConnectTimeout(f"{origin} accepts no connection: several are waiting, none was opened") from exc
            raise
        finally:
            self.openings.end(origin, attempt, loop.time(), opened=stream is not None)
        return stream

    async def addresses_now(self, host: str) -> list[str]:
        """The addresses that a name has now; none where they do not come soon. To be awaited in a task."""
        try:
            async with asyncio.timeout(_SOON_S):
                return await self._resolver.addresses(host)
        except (ProxyError, OSError):
            return []

    async def _connect(self, origin: Origin, connect_s: float | None) -> Stream:
        try:
            known = origin.path or origin.address
            addresses = [known] if known else await self._resolver.addresses(origin.host)
        except OSError as exc:
            raise self._failure(origin, {origin.host: exc}) from exc
        if len(addresses) > 1:
            return await self._first_to_accept(origin, interleaved(addresses)[:_MOST_ADDRESSES], connect_s)
        try:
            return await self._open(origin, addresses[0], connect_s)
        except OSError as exc:
            raise self._failure(origin, {addresses[0]: exc}) from exc

    async def _open(self, origin: Origin, address: str, connect_s: float | None) -> Stream:
        """Open a stream to one address, TLS included. Raises OSError: TimeoutError and ssl.SSLError are such."""
        loop = self._deadlines.loop
        patience_s = self._connect_s if connect_s is None else connect_s
        stream = Stream(self._deadlines) if origin.tls is None else TlsStream(self._deadlines)
        is_open = False
        try:
            async with asyncio.timeout(patience_s):
                if origin.path:
                    await loop.create_unix_connection(lambda: stream, origin.path)
                else:
                    await loop.create_connection(lambda: stream, address, origin.port)
                is_open = True
                if isinstance(stream, TlsStream):
                    await self._secure(stream, origin)
                stream.reset_pace()
        except BaseException as exc:
            if not is_open:
                stream.give_up()  # else it is closing, and watched: a peer that takes nothing would hold it for ever
            if isinstance(exc, TimeoutError) and exc.errno is None:
                raise TimeoutError(f"no answer in {patience_s:g} s") from exc
            raise
        return stream

    async def _secure(self, stream: TlsStream, origin: Origin) -> None:
        """Shake hands, resuming the last session where there is one. Raises OSError."""
        assert origin.tls is not None
        context = client_context(origin.tls).context
        kept = self._sessions.get(origin)
        session = kept[1] if kept is not None and kept[0] is context else None
        name = origin.tls.server_name or origin.host.removesuffix(".")
        stream.on_session = lambda session: self._keep_session(origin, context, session)
        try:
            await in_fiber(stream.handshake(context, NEVER, server_hostname=name, session=session))
        except BaseException as exc:
            self._sessions.pop(origin, None)
            stream.close()
            if not isinstance(exc, ConnectionEnded):
                raise
            raise (exc.__cause__ if isinstance(exc.__cause__, OSError) else ConnectionAbortedError()) from exc

    def _keep_session(self, origin: Origin, context: ssl.SSLContext, session: ssl.SSLSession) -> None:
        self._sessions[origin] = context, session
        if len(self._sessions) > _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    async def _first_to_accept(self, origin: Origin, addresses: list[str], connect_s: float | None) -> Stream:
        attempts: dict[asyncio.Task[Stream], str] = {}
        failures: dict[str, OSError] = {}
        untried = iter(addresses)
        address = next(untried, None)
        try:
            while address is not None or attempts:
                if address is not None:
                    attempts[self._deadlines.loop.create_task(self._open(origin, address, connect_s))] = address
                    address = next(untried, None)
                ended, _ = await asyncio.wait(
                    attempts,
                    timeout=None if address is None else self._attempt_delay_s,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for attempt in ended:
                    try:
                        stream = attempt.result()
                    except OSError as exc:
                        failures[attempts.pop(attempt)] = exc
                    else:
                        del attempts[attempt]
                        return stream
        finally:
            for attempt in attempts:
                attempt.add_done_callback(close_unused)
                attempt.cancel()
        raise self._failure(origin, failures)

    def _failure(self, origin: Origin, failures: dict[str, OSError]) -> ProxyError:
        """What the failures at all addresses of an origin amount to."""
        reasons = {address: self._reason(exc) for address, exc in failures.items()}
        if list(reasons) in ([origin.host], [origin.address], [origin.path]):
            [tried] = reasons.values()
        else:
            tried = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
        if all(exc.errno in _OUR_SHORTAGE and not isinstance(exc, ssl.SSLError) for exc in failures.values()):
            shortage = "this proxy is out of resources"
            return LimitReached(shortage, detail=f"{shortage}: {tried}", code="out_of_resources")
        if all(isinstance(exc, TimeoutError) for exc in failures.values()):
            return ConnectTimeout(f"{origin} did not accept a connection: {tried}")
        for exc in failures.values():
            if isinstance(exc, ssl.SSLError):
                return TlsFailed(f"no secured connection to {origin}: {tried}", code=tls_code(exc))
        return ConnectFailed(f"no connection to {origin}: {tried}")

    def _reason(self, exc: OSError) -> str:
        if isinstance(exc, ssl.SSLError):  # whose errno is OpenSSL's
            return tls_reason(exc)
        if exc.errno is not None:
            return os.strerror(exc.errno)
        if isinstance(exc, TimeoutError):
            return str(exc) or "no answer in time"
        return str(exc) or "the connection ended during the handshake"


def close_unused(attempt: asyncio.Task[Stream]) -> None:
    """Close what an attempt that was given up has opened: it may have succeeded before it was cancelled."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().abort()


def when_done(attempt: asyncio.Task[Stream], tell: Callable[[asyncio.Task[Stream]], None]) -> None:
    """Tell at once where it has ended: a retry at the same origin comes next."""
    if attempt.done():
        tell(attempt)
    else:
        attempt.add_done_callback(tell)
