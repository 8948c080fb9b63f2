"""Crowds that hold connections: a small checked load beside them must not notice."""

import contextlib
import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks.stress.fleet import Wanted, running
from benchmarks.stress.load import loaded
from benchmarks.stress.row import Figure, Row, Setting

_HEAD: Final = b"GET /small HTTP/1.1\r\nHost: bench.example\r\nX-Slow: "
_UPLOAD: Final = b"POST /small HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 1000000\r\n\r\n"
_DOWNLOAD: Final = b"GET /big/50000000 HTTP/1.1\r\nHost: bench.example\r\n\r\n"


def _idle(_: socket.socket, first: bool) -> None:
    """Says nothing."""


def _slow_head(client: socket.socket, first: bool) -> None:
    client.send(_HEAD if first else b"x")


def _slow_body(client: socket.socket, first: bool) -> None:
    client.send(_UPLOAD if first else b"x")


def _slow_reader(client: socket.socket, first: bool) -> None:
    if first:
        client.send(_DOWNLOAD)
    else:
        client.recv(1)


def _crowd(count: int, act: Callable[[socket.socket, bool], None], setting: Setting) -> Figure:
    count = min(count // (10 if setting.quick else 1), resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    ended = threading.Event()
    clients: list[socket.socket] = []

    def drip() -> None:
        while not ended.wait(0.5):
            for client in clients:
                with contextlib.suppress(OSError):
                    act(client, False)

    with running(setting.proxy, setting.folder, Wanted(setting.upstreams)) as server:
        for _ in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
            clients.append(client)
        _until_connected(clients)
        for client in clients:
            with contextlib.suppress(OSError):
                act(client, True)
        dripping = threading.Thread(target=drip)
        dripping.start()
        time.sleep(
            1 if setting.quick else 3
        )  # until every buffer on the way is full: filling them is the service's work
        with loaded(server.port, keep_alive=True) as load:
            time.sleep(2 if setting.quick else 4)
        ended.set()
        dripping.join()
        for client in clients:
            client.close()
        return Figure(load.failures, f"{load}, {count} in the crowd, p99 {load.p99_s * 1000:.1f} ms")


def _until_connected(clients: list[socket.socket]) -> None:
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_WRITE)
        ends_at = time.monotonic() + 10
        while selector.get_map() and time.monotonic() < ends_at:
            for key, _ in selector.select(1):
                selector.unregister(key.fileobj)


ROWS: Final = [
    Row("5,000 idle clients", "beside 300 requests a second", partial(_crowd, 5_000, _idle)),
    Row("5,000 slow heads", "a byte each half second", partial(_crowd, 5_000, _slow_head)),
    Row("1,000 slow bodies", "a byte each half second", partial(_crowd, 1_000, _slow_body)),
    Row("1,000 slow readers", "of 50 MB, a byte each half second", partial(_crowd, 1_000, _slow_reader)),
]
