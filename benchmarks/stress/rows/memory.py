"""Memory that clients who do not read make a proxy hold, and whether it gives it back."""

import contextlib
import socket
import time
from functools import partial
from typing import Final

from benchmarks.load.processes import memory_bytes
from benchmarks.stress.fleet import Wanted, running
from benchmarks.stress.row import Figure, Row, Setting

_KIB: Final = 1024


def _held(upload: bool, setting: Setting) -> Figure:
    """KiB that each connection holds."""
    count = 100 if setting.quick else 1_000
    before, peak, _ = _weigh(upload, count, setting)
    each = (peak - before) / count / _KIB
    return Figure(each, f"{each:.0f} KiB a connection, {peak / _KIB / _KIB:.0f} MiB in all")


def _kept(setting: Setting) -> Figure:
    """MiB that are still held after all clients have left."""
    before, peak, after = _weigh(False, 100 if setting.quick else 1_000, setting)
    kept = (after - before) / _KIB / _KIB
    return Figure(kept, f"{kept:.0f} of {(peak - before) / _KIB / _KIB:.0f} MiB kept")


def _weigh(upload: bool, count: int, setting: Setting) -> tuple[int, int, int]:
    clients: list[socket.socket] = []
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams)) as server:
        before = _settled(server.pid)
        for _ in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.setblocking(False)
            if upload:
                client.send(b"POST /unread HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 50000000\r\n\r\n")
            else:
                client.send(b"GET /big/50000000 HTTP/1.1\r\nHost: bench.example\r\n\r\n")
            clients.append(client)
        ends_at = time.monotonic() + (2 if setting.quick else 6)
        while time.monotonic() < ends_at:
            for client in clients if upload else ():
                with contextlib.suppress(OSError):
                    client.send(b"x" * 65_536)
            time.sleep(0.1)
        peak = memory_bytes(server.pid)
        for client in clients:
            client.close()
        time.sleep(2 if setting.quick else 5)
        return before, peak, memory_bytes(server.pid)


def _settled(pid: int) -> int:
    """What the processes hold once they have started: nginx's and HAProxy's have when they listen, ours a moment later,
    when the control process has."""
    held = memory_bytes(pid)
    for _ in range(10):
        time.sleep(0.5)
        before, held = held, memory_bytes(pid)
        if held <= before:
            break
    return held


ROWS: Final = [
    Row("memory: clients that do not read", "1,000 answers of 50 MB", partial(_held, False), slack=16),
    Row("memory: a service that does not read", "1,000 uploads of 50 MB", partial(_held, True), slack=16),
    Row("memory given back", "5 s after 1,000 such clients have left", _kept, slack=16),
]
