"""Opening a connection to an origin."""

import asyncio
import errno
import socket
from typing import Final

from proxy.errors import ConnectFailed, ConnectTimeout, LimitReached
from proxy.http1.limits import MessageLimits
from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import Stream
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.origin import Origin

_OUR_SHORTAGE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}


async def connect(
    origin: Origin, deadlines: Deadlines, limits: MessageLimits, timeout_s: float, *, fast_path: bool
) -> UpstreamConnection:
    """Open a connection. Raises ConnectFailed (refused, unroutable, no such name), ConnectTimeout, and LimitReached
    where it is we who lack descriptors, ports or memory."""
    loop = deadlines.loop
    try:
        async with asyncio.timeout(timeout_s):
            _, stream = await loop.create_connection(lambda: Stream(deadlines), origin.host, origin.port)
    except TimeoutError as exc:  # before OSError, of which it is a subclass
        raise ConnectTimeout(f"{origin} did not accept a connection in {timeout_s:g} s") from exc
    except socket.gaierror as exc:
        raise ConnectFailed(f"{origin.host} has no address", code="dns_error") from exc
    except OSError as exc:
        if exc.errno in _OUR_SHORTAGE:
            raise LimitReached(f"this proxy is out of resources: {exc.strerror}", code="out_of_resources") from exc
        raise ConnectFailed(f"no connection to {origin}: {exc.strerror or exc}") from exc
    return UpstreamConnection(origin, stream, limits, loop.time(), fast_path=fast_path)
