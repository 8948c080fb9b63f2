"""Messages between the parent and one of its children, over a socket pair. Neither side ever waits for the other."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple

_PACKET_BYTES: Final = 16_384
_SOCKETS: Final = 253  # the kernel passes no more in a message


class Kind(Enum):
    """What a message is about, and which side sends it."""

    SERVING = b"serving"  # child to parent: it has started
    NOT_ADOPTED = b"not adopted"  # worker: the sockets of ADOPT did not arrive, for lack of descriptors
    NOT_LINKED = b"not linked"  # child: the socket of LINK did not arrive, for the same reason
    FAILED = b"failed"  # child to parent: why it ends, and its traceback, a line each
    ADOPT = b"adopt"  # parent to worker: also accept on these sockets of seat N, which has no worker now
    GIVE_BACK = b"give back"  # parent to worker: seat N has a worker again
    LINK = b"link"  # parent to both: this socket joins the control process and the worker of seat N
    SHUT_DOWN = b"shut down"  # parent to worker: finish, because the instance ends
    RETIRE = b"retire"  # parent to worker: finish, because another generation serves now
    CUT = b"cut"  # parent to worker: end at once, and log the exchanges that this cuts
    REOPEN_LOG = b"reopen log"  # parent to worker: the file of the access log was renamed
    CHANGED = b"changed"  # control to parent: files of the configuration may have changed
    STOPPING = b"stopping"  # parent to control: the instance will stop: /readyz answers 503


class Message(NamedTuple):
    """A message of a kind, with a text and sockets."""

    kind: Kind
    text: str = ""
    sockets: list[socket.socket] = []  # noqa: RUF012  # never changed
    is_cut: bool = False  # sockets that came with it are lost: this process had no descriptors for them


class Channel:
    """One end of the pair. It closes when the process at the other end has ended, however that came about."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        self.is_closed = False
        self._unsent: list[tuple[Kind, str]] = []

    @classmethod
    def pair(cls) -> tuple["Channel", "Channel"]:
        """Two ends that are connected. Raises OSError."""
        first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(first), cls(second)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._end.fileno()

    def send(self, kind: Kind, text: str = "", sockets: Sequence[socket.socket] = ()) -> bool:
        """Send a message; False where it cannot be sent at once, behind those that are."""
        if self.flush():
            with contextlib.suppress(OSError):
                self._send(kind, text, sockets)
                return True
        return False

    def insist(self, kind: Kind, text: str = "") -> None:
        """Send a message now, or by `flush` as soon as a process that hangs reads again: one that is lost would change
        what that process does from then on."""
        if (kind, text) not in self._unsent:
            self._unsent.append((kind, text))
        self.flush()

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` is to be called once the channel can be written to."""
        return bool(self._unsent)

    def flush(self) -> bool:
        """Send what could not be sent; return whether nothing is left."""
        while self._unsent:
            try:
                self._send(*self._unsent[0])
            except BlockingIOError:
                return False
            except OSError:  # the other end is closed
                self._unsent.clear()
                return True
            del self._unsent[0]
        return True

    def _send(self, kind: Kind, text: str, sockets: Sequence[socket.socket] = ()) -> None:
        packet = kind.value + b"\n" + text.encode("utf-8", "backslashreplace")
        descriptors = [listening.fileno() for listening in sockets]
        socket.send_fds(self._end, [packet[:_PACKET_BYTES]], descriptors, socket.MSG_NOSIGNAL)

    def receive(self) -> Iterator[Message]:
        """What has arrived; afterwards `is_closed` says whether more can come."""
        while not self.is_closed:
            try:
                packet, descriptors, flags, _ = socket.recv_fds(self._end, _PACKET_BYTES, _SOCKETS)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # Linux reports the reset once, before the messages that the other end had sent
            except OSError:
                packet, descriptors, flags = b"", [], 0
            if not packet:
                self.is_closed = True
                return
            kind, _, text = packet.partition(b"\n")
            sockets = [socket.socket(fileno=number) for number in descriptors]
            is_cut = bool(flags & socket.MSG_CTRUNC)
            if is_cut:
                for one in sockets:
                    one.close()  # some of them are no use
                sockets = []
            yield Message(Kind(kind), text.decode("utf-8", "replace"), sockets, is_cut)

    def close(self) -> None:
        """Close this end."""
        self.is_closed = True
        self._unsent.clear()
        self._end.close()
