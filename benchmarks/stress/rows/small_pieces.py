"""CPU that bytes cost which come one by one: a request in segments of one byte, and tiny frames in a tunnel."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from benchmarks.load.processes import clock
from benchmarks.stress.fleet import Wanted, running
from benchmarks.stress.row import Figure, NotRun, Row, Setting
from benchmarks.stress.rows.hostile import NORMAL, settle

_PATIENCE_S: Final = 10.0
_SWITCH: Final = b"GET /tunnel HTTP/1.1\r\nHost: bench.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
_FRAME: Final = b"\x89\x80abcd"  # a ping without content, masked (RFC 6455 §5.5.2)

Once = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))


async def _whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(NORMAL)
    await _answered(reader)


async def _byte_by_byte(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in NORMAL:
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.0002)  # so that the proxy takes it by itself
    await _answered(reader)


async def _frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_FRAME)
    await reader.readexactly(len(_FRAME))


async def _cost_us(port: int, pid: int, once: Once, seconds: float, *, tunnel: bool = False) -> float:
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    async with asyncio.timeout(_PATIENCE_S + seconds):
        if tunnel:
            writer.write(_SWITCH)
            if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101"):
                raise NotRun("it is not told to pass on upgrades")
        await once(reader, writer)
        before, count, ends_at = clock(pid), 0, loop.time() + seconds
        while loop.time() < ends_at:
            await once(reader, writer)
            count += 1
        cost_us = clock(pid).since(before).cpu_us / count
    writer.close()
    return cost_us


def _ratio(once: Once, what: str, tunnel: bool, pieces: int, setting: Setting) -> Figure:
    """Against a normal request, of what comes in so many pieces."""
    seconds = 0.5 if setting.quick else 2.0
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams)) as server:
        settle(server.pid)
        asyncio.run(_cost_us(server.port, server.pid, _whole, 0.3))
        normal = asyncio.run(_cost_us(server.port, server.pid, _whole, seconds))
        cost = asyncio.run(_cost_us(server.port, server.pid, once, seconds, tunnel=tunnel))
    each = f", {cost / pieces:.1f} µs a piece" if pieces > 1 else ""
    return Figure(cost / normal / pieces, f"{cost / normal:.1f} normal requests ({cost:.0f} µs {what}{each})", cost)


ROWS: Final = [
    Row(
        "CPU: a request in segments of one byte", "per segment, in normal small GETs",
        partial(_ratio, _byte_by_byte, "a request", False, len(NORMAL)), enough=1.0,
    ),
    Row(
        "CPU: frames of 6 bytes in a tunnel", "there and back, in normal small GETs",
        partial(_ratio, _frame, "a frame", True, 1), enough=1.0,
    ),
]  # fmt: skip
