"""Many connections, each of which had one answer and then nothing more to ask."""

import asyncio
import resource
import socket
import struct
from typing import Final

from benchmarks.load.clients.script import Cue
from benchmarks.load.clients.wire import Client, connect, get
from benchmarks.load.samples import Load

_AT_ONCE: Final = 64
_SPARE_FILES: Final = 400  # of the proxy: its upstream connections, its own files


def affordable(wanted: int) -> int:
    """As many connections as one process may have open here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if hard == resource.RLIM_INFINITY else max(1, min(wanted, hard - _SPARE_FILES))


async def hold(port: int, cue: Cue, connections: int) -> Load:
    """Warm up, say ready, then open all; whoever started us weighs the proxy before and after."""
    loop = asyncio.get_running_loop()
    warm_bad = [await _one(port, number) for number in range(_AT_ONCE)]
    bad = sum(client is None for client in warm_bad)
    await cue.ready()
    begun = loop.time()
    held: list[Client] = []
    for first in range(0, connections, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, connections))
        opened = await asyncio.gather(*(_one(port, number) for number in numbers))
        held += [client for client in opened if client is not None]
    await asyncio.sleep(cue.seconds)
    bad += connections - sum(not client.lost for client in held)
    for client in held:
        # Without TIME_WAIT: the next proxy's clients need the ports.
        client.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    _KEPT.extend(held)
    return Load(connections, loop.time() - begun, bad, connections=connections)


_KEPT: Final[list[Client]] = []  # until the process ends


async def _one(port: int, number: int) -> Client | None:
    try:
        client = await connect(port)
    except OSError:
        return None
    answer = await client.exchange(get(b"/small", number))
    return client if answer.status == 200 and answer.length == 128 else None
