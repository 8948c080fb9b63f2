"""Commands to a running instance (`onehop reload`), over an abstract Unix socket of the parent.

It has no file, so it works on a read-only file system, leaves nothing behind, and is found by its name's beginning. It
is visible in its network namespace; the kernel states the user id of each client, and only the same user and root are
served.
"""

import contextlib
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import msgspec

#: Every instance's name begins with it; its process id and a random part follow.
NAME: Final = "onehop/"
MOST_BYTES: Final = 65_536
#: Called with the result of a command: the exit status for the client, and lines to print.
Reply: TypeAlias = Callable[[int, list[str]], None]
_MOST_CLIENTS: Final = 8  # with one more, the oldest that asks for nothing goes: idle ones keep nobody out
_MOST_LINES: Final = 100
_LINE_CHARS: Final = 500


class Instance(msgspec.Struct, kw_only=True):
    """How an instance describes itself to a client that connects."""

    pid: int
    config: str  # the file's path, absolute, `without_surrogates`; "" without a file
    listen: list[str]


class Request(msgspec.Struct, kw_only=True):
    """A command from a client."""

    command: str


class Result(msgspec.Struct, kw_only=True):
    """The result of a command: the exit status for the client, and lines to print."""

    status: int
    lines: list[str]


class _Credentials(NamedTuple):
    pid: int
    uid: int
    gid: int


def without_surrogates(text: str) -> str:
    """The text, escaped where JSON cannot hold it: in Python, a file name that is not UTF-8 has surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


def peer_credentials(connected: socket.socket) -> _Credentials:
    """Who is at the other end, as the kernel knows. Raises OSError."""
    packed = struct.Struct("3i")
    return _Credentials(*packed.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, packed.size)))


def may_talk(connected: socket.socket) -> bool:
    """Whether the other end is the same user, or root. Raises OSError."""
    return peer_credentials(connected).uid in (0, os.geteuid())


class Commands:
    """The parent's socket. Where the system has no such sockets, only signals work."""

    def __init__(self, describe: Callable[[], Instance], reload: Callable[[Reply], None]) -> None:
        self._describe = describe
        self._reload = reload
        self._listening: socket.socket | None = None
        self._clients: dict[int, socket.socket] = {}  # by descriptor
        self._busy: set[int] = set()  # those whose command is under way

    def listen(self) -> None:
        """Begin to serve."""
        listening = None
        try:
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listening.bind(f"\0{NAME}{os.getpid()}/{os.urandom(4).hex()}")
            listening.listen(_MOST_CLIENTS)
            listening.setblocking(False)
        except OSError:
            if listening is not None:
                listening.close()
        else:
            self._listening = listening

    def register(self, waiting: select.poll) -> None:
        """Add the sockets to wait for."""
        if self._listening is not None and len(self._busy) < _MOST_CLIENTS:
            waiting.register(self._listening, select.POLLIN)
        for client in self._clients.values():
            waiting.register(client, select.POLLIN)

    def serve(self) -> None:
        """Accept and answer the clients that are waiting. Never blocks."""
        for fd in list(self._clients):
            self._receive(fd)
        if self._listening is not None and len(self._busy) < _MOST_CLIENTS:
            with contextlib.suppress(OSError):
                self._accept(self._listening.accept()[0])
            if len(self._clients) > _MOST_CLIENTS:
                self._drop(next(fd for fd in self._clients if fd not in self._busy))

    def close(self) -> None:
        """Close all sockets."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def _accept(self, client: socket.socket) -> None:
        try:
            is_welcome = may_talk(client)
            client.setblocking(False)
            if is_welcome:
                client.send(msgspec.json.encode(self._describe()), socket.MSG_NOSIGNAL)
        except OSError:
            is_welcome = False
        if is_welcome:
            self._clients[client.fileno()] = client
        else:
            client.close()

    def _receive(self, fd: int) -> None:
        client = self._clients[fd]
        try:
            packet = client.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet or fd in self._busy:
            self._drop(fd)
            return
        try:
            request = msgspec.json.decode(packet, type=Request)
        except msgspec.DecodeError:
            self._drop(fd)
            return
        if request.command == "reload":
            self._busy.add(fd)
            self._reload(lambda status, lines: self._reply(client, fd, Result(status=status, lines=lines)))
        else:
            self._reply(client, fd, Result(status=2, lines=[f"no such command: {request.command[:40]}"]))

    def _reply(self, client: socket.socket, fd: int, result: Result) -> None:
        if self._clients.get(fd) is not client:
            return  # it has gone meanwhile
        result.lines = [without_surrogates(line[:_LINE_CHARS]) for line in result.lines[:_MOST_LINES]]
        with contextlib.suppress(OSError):
            client.send(msgspec.json.encode(result), socket.MSG_NOSIGNAL)
        self._drop(fd)

    def _drop(self, fd: int) -> None:
        self._busy.discard(fd)
        self._clients.pop(fd).close()
