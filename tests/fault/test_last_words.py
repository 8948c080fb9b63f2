"""A peer that says something and breaks the connection at once: what it said is not lost to the reset behind it.

No pause stands between the two, and both event loops must hold: each tears a connection down in its own way.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from proxy.transport.deadlines import Deadlines
from proxy.transport.fiber import Fiber
from proxy.transport.stream import ConnectionEnded, Stream
from tests.harness.loops import on_both_loops
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import PATIENCE_S

REFUSAL = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 4\r\n\r\nno!\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
HANDSHAKE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
LAST_FRAME = b"\x88\x02\x03\xe8"


@contextmanager
def service(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A service with blocking sockets, as gunicorn's sync worker has them: what it does is one system call after the
    other. Yields its port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def refuse(answer: bytes) -> Callable[[socket.socket], None]:
    """Reads a head, answers, and closes with the body unread: RST."""

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(8192)
            connection.sendall(answer)

    return serve


def uploading(port: int, size: int, piece: int) -> bytes:
    """What a client gets that writes as much as it can of a body, and reads to the end then."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        try:
            for _ in range(0, size, piece):
                client.sendall(b"x" * piece)
        except ConnectionError:
            pass
        return until_end(client)


def until_end(client: socket.socket) -> bytes:
    received = bytearray()
    try:
        while data := client.recv(65_536):
            received += data
    except ConnectionError:
        pass
    return bytes(received)


@pytest.mark.parametrize(("size", "piece", "clients"), [(4_000_000, 65_536, 20), (300_000, 1_000, 40)])
@on_both_loops
async def test_a_refused_upload_is_told_so(size: int, piece: int, clients: int) -> None:
    with service(refuse(REFUSAL)) as port:
        async with running_proxy(port) as proxy:
            answers = []
            for _ in range(0, clients, 4):
                answers += await asyncio.gather(
                    *(asyncio.to_thread(uploading, proxy.port, size, piece) for _ in range(4))
                )
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 401"] * clients
    assert all(answer.endswith(b"no!\n") for answer in answers)


@on_both_loops
async def test_the_last_frame_of_a_tunnel_arrives() -> None:
    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(8192)
            connection.sendall(SWITCH)
            connection.recv(1)  # the client talks, and goes on talking
            connection.sendall(LAST_FRAME)

    def talk(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.sendall(HANDSHAKE)
            head = client.recv(8192)
            assert b" 101 " in head
            try:
                for _ in range(200):
                    client.sendall(b"x" * 500)
            except ConnectionError:
                pass
            return until_end(client)

    with service(serve) as port:
        async with running_proxy(port) as proxy:
            heard = []
            for _ in range(20):
                heard += await asyncio.gather(*(asyncio.to_thread(talk, proxy.port) for _ in range(3)))
    assert heard == [LAST_FRAME] * 60


@on_both_loops
async def test_the_last_frame_of_a_tunnels_client_arrives() -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(8192)
            connection.sendall(SWITCH)
            received = bytearray()
            with contextlib.suppress(ConnectionError):
                while data := connection.recv(65_536):
                    received += data
                    with contextlib.suppress(ConnectionError):
                        connection.sendall(b"x" * 500)
            heard.append(bytes(received))

    def talk(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else our own kernel may drop the last frame
            client.sendall(HANDSHAKE)
            client.recv(8192)
            client.sendall(b"x" * 50)
            client.sendall(LAST_FRAME)

    with service(serve) as port:
        async with running_proxy(port) as proxy:
            for _ in range(20):
                await asyncio.gather(*(asyncio.to_thread(talk, proxy.port) for _ in range(3)))
            await proxy.records.wait_for(60)
    assert [record.request_bytes for record in proxy.records] == [50 + len(LAST_FRAME)] * 60
    assert heard == [b"x" * 50 + LAST_FRAME] * 60


# -- the stream by itself: the reset is there before the loop has had a turn ----------------------------------------


async def broken_behind(words: bytes, *, receive_buffer: int = 4_000_000, fin: bool = False) -> Stream:
    """A stream whose peer has sent `words` and then broken the connection, which a write has found out."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setblocking(False)
        await loop.sock_connect(raw, listening.getsockname())
        peer, _ = listening.accept()
    deadlines = Deadlines(loop)
    _, stream = await loop.create_connection(lambda: Stream(deadlines), sock=raw)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, receive_buffer)
    stream.write(b"a request")
    while not peer.recv(1):
        pass
    peer.setblocking(False)
    peer.sendall(words)
    if fin:
        peer.shutdown(socket.SHUT_WR)
    peer.close()  # with unread bytes: RST, now
    for _ in range(3):
        stream.write(b"more of it")
    return stream


async def read_all(stream: Stream, into: list[bytes], ends: list[str], *, pause: bool = False) -> None:
    try:
        while data := await stream.read(float("inf")):
            into.append(data)
            if pause:
                turned = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(turned.set_result, None)
                await turned
        ends.append("clean")
    except ConnectionEnded:
        ends.append("broken")


async def what_arrived(stream: Stream, *, pause: bool = False) -> tuple[bytes, str]:
    """Everything that a stream gives to its reader, and how it ended."""
    pieces: list[bytes] = []
    ends: list[str] = []
    done = asyncio.Event()
    Fiber(read_all(stream, pieces, ends, pause=pause), lambda _: done.set()).resume()
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    return b"".join(pieces), ends[0]


def open_sockets() -> int:
    """How many sockets are open: libuv keeps other files for itself, too."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


async def sockets_are(count: int) -> None:
    """Wait until so many are open: a loop closes its own a turn after it said so."""
    async with asyncio.timeout(PATIENCE_S):
        while open_sockets() != count:  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0)


@pytest.mark.parametrize("size", [5, 65_536, 1_000_000])
@on_both_loops
async def test_what_arrived_before_a_reset_is_read_and_then_the_end_is_not_clean(size: int) -> None:
    words = os.urandom(size)
    before = open_sockets()
    stream = await broken_behind(words)
    assert await what_arrived(stream, pause=True) == (words, "broken")
    assert not stream._deadlines.streams
    await sockets_are(before)


@on_both_loops
async def test_an_end_that_was_clean_before_the_reset_stays_clean() -> None:
    assert await what_arrived(await broken_behind(b"all of it", fin=True)) == (b"all of it", "clean")


@pytest.mark.parametrize("end", ["abort", "reset", "close"])
@on_both_loops
async def test_a_reader_that_gives_up_reads_no_more(end: str) -> None:
    before = open_sockets()
    stream = await broken_behind(b"x" * 1_000_000)
    while not stream.is_ended:  # noqa: ASYNC110 (there is no event)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert stream._deadlines.streams  # there is more to read
    getattr(stream, end)()
    text, how = await what_arrived(stream)
    assert how == "broken"
    assert len(text) <= 65_536 * 2
    assert not stream._deadlines.streams
    await sockets_are(before)


@on_both_loops
async def test_our_own_abort_reads_nothing() -> None:
    stream = await broken_behind(b"x" * 1000)
    stream.abort()
    assert await what_arrived(stream) == (b"", "broken")


@on_both_loops
async def test_a_lack_of_descriptors_costs_no_last_words_of_common_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: int) -> int:
        raise OSError(24, "Too many open files")

    words = os.urandom(500_000)
    stream = await broken_behind(words)
    monkeypatch.setattr("proxy.transport.sockets.os.dup", exhausted)
    assert await what_arrived(stream) == (words, "broken")
