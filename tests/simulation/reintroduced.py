"""Faults that the proxy once had, put back one at a time: the laws must find each."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final
from unittest import mock

from proxy.downstream import connection
from proxy.downstream.connection import ClientConnection
from proxy.exchange import attempts
from proxy.transport.stream import Stream
from proxy.upstream.connection import UpstreamConnection


async def _close_at_once(stream: Stream, *_: float) -> None:
    stream.close()


async def _reset_at_once(client: ClientConnection, **_: bool) -> int:
    client.stream.reset()
    return 0


#: By name: what was wrong, and how it is put back.
FAULTS: Final[dict[str, Callable[[], AbstractContextManager[object]]]] = {
    "what a broken connection had said is thrown away": lambda: mock.patch.object(Stream, "_break", return_value=None),
    "a client that still sends is closed at once": lambda: mock.patch.object(connection, "linger", _close_at_once),
    "a cut response is thrown away": lambda: mock.patch.object(ClientConnection, "deliver_cut", _reset_at_once),
    "surplus bytes go to the next request": lambda: mock.patch.object(
        UpstreamConnection, "why_closed", return_value=None
    ),
    "everything is sent again": lambda: mock.patch.object(attempts, "is_stale_reuse", return_value=True),
}
