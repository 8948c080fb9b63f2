"""Large bodies, either way. What has begun when the time is over is finished and counted."""

import asyncio
from typing import Final

from benchmarks.load.clients.script import Cue
from benchmarks.load.clients.wire import FIELDS, Answer, Client, connect, get
from benchmarks.load.samples import Load
from benchmarks.load.service import UPLOAD_DIGITS

_CONNECTIONS: Final = 4


async def download(port: int, cue: Cue, path: str, length: int) -> Load:
    """GET the path over and over."""

    async def one(client: Client, number: int) -> bool:
        answer = await client.exchange(get(path.encode(), number))
        return answer.status == 200 and answer.length == length

    return await _drive(port, cue, one)


async def upload(port: int, cue: Cue, path: str, length: int) -> Load:
    """POST a body over and over. The service says how many bytes reached it."""
    body = b"x" * length

    async def one(client: Client, number: int) -> bool:
        head = b"POST %b/%d HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (
            path.encode(), number, FIELDS % (number, number), length,
        )  # fmt: skip
        answer: Answer = await client.exchange(head, body)
        return answer.status == 200 and answer.length == 128 and answer.beginning[:UPLOAD_DIGITS] == b"%016d" % length

    return await _drive(port, cue, one)


async def _drive(port: int, cue: Cue, one) -> Load:  # type: ignore[no-untyped-def]
    clients = [await connect(port) for _ in range(_CONNECTIONS)]
    warm = await asyncio.gather(*(one(client, number) for number, client in enumerate(clients)))
    numbers = iter(range(_CONNECTIONS, 1 << 60))
    done = 0
    bad = warm.count(False)

    async def repeat(client: Client, ends_at: float) -> None:
        nonlocal done, bad
        while loop.time() < ends_at:
            if await one(client, next(numbers)):
                done += 1
            else:
                bad += 1
                return

    loop = asyncio.get_running_loop()
    await cue.ready()
    begun = loop.time()
    await asyncio.gather(*(repeat(client, begun + cue.seconds) for client in clients))
    return Load(done, loop.time() - begun, bad)
