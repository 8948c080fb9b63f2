"""Requests of many clients at once, on bare sockets: what each gets."""

import asyncio
import time

_PATIENCE_S = 8.0


def answers_to(port: int, clients: int, path: str, *, hold_s: float = 0.0) -> list[int]:
    """Each client connects, asks once and keeps its connection for `hold_s`; returns the statuses, 0 for none."""
    return asyncio.run(_all(port, clients, path, hold_s))


def wait_for_answer(port: int) -> None:
    """Return once a request is answered with 200. Raises RuntimeError where none is."""
    ends_at = time.monotonic() + _PATIENCE_S
    while answers_to(port, 1, "/small") != [200]:
        if time.monotonic() > ends_at:
            raise RuntimeError("no request is answered")
        time.sleep(0.1)


async def _all(port: int, clients: int, path: str, hold_s: float) -> list[int]:
    return list(await asyncio.gather(*(_one(port, path, hold_s) for _ in range(clients))))


async def _one(port: int, path: str, hold_s: float) -> int:
    writer = None
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET %b HTTP/1.1\r\nHost: bench.example\r\n\r\n" % path.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(hold_s)
            return int(head[9:12])
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
        return 0
    finally:
        if writer is not None:
            writer.close()
