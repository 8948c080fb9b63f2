"""Instructions of what is passed on after a head, outside the kernel: an event of a stream, and a message in a tunnel.

`python -m benchmarks.instructions.streams [WAY ...]`: of onehop, of nginx, and of a byte pipe on uvloop, below which no
proxy on uvloop can go. One event or message at a time, so nothing is read or written together.
"""

import contextlib
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from benchmarks.instructions.count import CALLGRIND, Counter, Process, Way, connected, nginx, ways, worker
from benchmarks.load.service import FRAME_DATA, event
from tests.harness.programs.process import free_port, serving, wait_until_listening

_WARM: Final = 100
_COUNTED: Final = 200
_MANY: Final = 260  # connections: from 256 on, onehop reads bodies in small pieces
_FIELDS: Final = b"Host: bench.example\r\nUser-Agent: x\r\nAccept: */*\r\n"
_EVENTS: Final = b"GET /events HTTP/1.1\r\n" + _FIELDS + b"\r\n"
_EVENTS_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-Accel-Buffering: no\r\n\r\n"
)
_WEBSOCKET: Final = (
    b"GET /echo HTTP/1.1\r\n" + _FIELDS + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_WEBSOCKET_HEAD: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
_MESSAGE_BYTES: Final = 6 + FRAME_DATA


class Service:
    """Sends the events of one stream when told to, and echoes what comes on other connections."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listening.getsockname()[1]
        self._has_listener = threading.Event()
        self._listener: socket.socket | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def send(self, data: bytes) -> None:
        """Send to whoever asked for events, once somebody has."""
        assert self._has_listener.wait(60)
        assert self._listener is not None
        self._listener.sendall(data)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            request = connection.recv(65_536)
            if b"/events" in request:
                connection.sendall(_EVENTS_HEAD)
                self._listener = connection
                self._has_listener.set()
            elif request:
                connection.sendall(_WEBSOCKET_HEAD)
                while data := connection.recv(65_536):
                    connection.sendall(data)


def _answered(port: int, request: bytes) -> socket.socket:
    client = connected(port)
    client.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65_536)
    assert head.split(b" ")[1] in (b"200", b"101"), head
    return client


def _expect(client: socket.socket, data: bytes) -> None:
    got = b""
    while len(got) < len(data):
        piece = client.recv(65_536)
        assert piece, got
        got += piece
    assert got == data, (got, data)


def _per_turn(counter: Counter, turn: Callable[[int], None]) -> float:
    """Instructions of one turn."""
    for number in range(_WARM):
        turn(number)
    counter.mark()
    for number in range(_COUNTED):
        turn(number)
    return counter.mark() / _COUNTED


def _measure(counter: Counter, service: Service, connections: int) -> tuple[float, float]:
    """Instructions of an event, and of a message there and back, beside so many idle connections."""
    with contextlib.ExitStack() as open_now:
        for _ in range(connections):
            open_now.enter_context(connected(counter.port))
        listener = open_now.enter_context(_answered(counter.port, _EVENTS))

        def one_event(number: int) -> None:
            text = event(number)
            chunk = b"%x\r\n%b\r\n" % (len(text), text)
            service.send(chunk)
            _expect(listener, chunk)

        events = _per_turn(counter, one_event)
        client = open_now.enter_context(_answered(counter.port, _WEBSOCKET))

        def one_message(number: int) -> None:
            message = b"%0*d" % (_MESSAGE_BYTES, number)
            client.sendall(message)
            _expect(client, message)

        return events, _per_turn(counter, one_message)


@contextlib.contextmanager
def _byte_pipe(upstream_port: int, folder: Path) -> Iterator[Counter]:
    port, out = free_port(), folder / "out"
    words = [*CALLGRIND, f"--callgrind-out-file={out}", "--log-file=/dev/null", sys.executable]
    with serving([*words, "-m", "benchmarks.load.peers.byte_pipe", str(port), str(upstream_port)], port) as server:
        wait_until_listening(server)
        yield Process(server.pid, port, out)


def _counted(way: Way, upstream_port: int, folder: Path) -> AbstractContextManager[Counter]:
    if way.tree is not None:
        return worker(way, upstream_port, folder)
    return (nginx if way.name == "nginx" else _byte_pipe)(upstream_port, folder)


def main() -> None:
    """Count, and print a table."""
    print(f"{'':30}{'event':>10}{f'of {_MANY}':>10}{'message there and back':>26}")
    chosen = [way for way in ways() if way.counted and way.reader == "auto"]
    for way in [*chosen, Way("byte pipe", None)]:
        if sys.argv[1:] and way.name not in sys.argv[1:]:
            continue
        found = []
        for connections in (0, _MANY):
            with tempfile.TemporaryDirectory(prefix="onehop-instructions-") as name:
                service, folder = Service(), Path(name)
                with _counted(way, service.port, folder) as counter:
                    found.append(_measure(counter, service, connections))
        (few, message), (many, _) = found
        print(f"{way.name:30}{few:10,.0f}{many:10,.0f}{message:26,.0f}", flush=True)


if __name__ == "__main__":
    main()
