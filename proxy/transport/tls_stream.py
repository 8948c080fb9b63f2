"""A stream over TLS, by OpenSSL's own state machine over plain bytes (`ssl.MemoryBIO`).

Not by the event loops' TLS, which hides what we must know and do: whether an end came with close_notify, what the
kernel still holds when a connection breaks, ending our side alone, resumption. It also keeps 256 KiB for each
connection. Until `handshake`, the stream is as plain as its base.
"""

import contextlib
import ssl
from collections.abc import Callable
from enum import Enum, auto
from time import monotonic
from typing import Final

from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import CLOSE_S, FINISHED, Stream

_RECORD_BYTES: Final = 16_384  # of plain text in a record, at most (RFC 8446 §5.1): one read takes one record
_AT_ONCE_BYTES: Final = 32_768  # through OpenSSL's buffers, which never shrink: each connection keeps as much
#: As much unsent while OpenSSL wants to send more: our own writes stay below it, so these are answers of OpenSSL's.
_UNASKED_BYTES: Final = 524_288


class _Phase(Enum):
    """What our side of the connection speaks."""

    RAW = auto()  # bytes as they are: before the handshake, and within it
    SECURED = auto()
    ENDED = auto()  # our close_notify is sent, or nothing may be sent any more


_RAW, _SECURED, _ENDED = _Phase


class TlsStream(Stream):
    """A stream over TLS. The peer's end is clean only where its close_notify says so: a bare FIN is ConnectionEnded, so
    that nobody on the way can cut a body that ends with its connection."""

    __slots__ = ("_incoming", "_outgoing", "_peer_end", "_phase", "handshake_began", "on_session", "tls")

    def __init__(self, deadlines: Deadlines, on_connected: "Callable[[Stream], None] | None" = None) -> None:
        super().__init__(deadlines, on_connected)
        self.tls: ssl.SSLObject
        #: Told of the first session that the server lets us resume.
        self.on_session: Callable[[ssl.SSLSession], None] | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._phase = _RAW
        self.handshake_began = 0.0  # monotonic time
        self._peer_end: ssl.SSLError | None = None  # SSLZeroReturnError is its close_notify; any other, what broke TLS

    async def handshake(
        self,
        context: ssl.SSLContext,
        deadline: float,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        """Speak TLS from here on; to be awaited in a fiber.

        Raises ssl.SSLError (the peer has been told), TimeoutError past `deadline` (loop time), ConnectionEnded, and
        ConnectionAbortedError where the peer ended its side within the handshake.
        """
        self.handshake_began = monotonic()
        tls = self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side, server_hostname, session)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLError:
                self._flush()  # the alert that says why
                raise
            data = await self.read(deadline)
            if not data:
                raise ConnectionAbortedError
            if len(data) > _AT_ONCE_BYTES:
                self.push_back(data[_AT_ONCE_BYTES:])
                data = data[:_AT_ONCE_BYTES]
            self._incoming.write(data)
        self._flush()
        ended_already = self._reading is FINISHED
        behind = await self.read(deadline) if self._unread else b""
        self._phase = _SECURED
        if behind or self._incoming.pending:
            self.data_received(behind)
        if ended_already and self._peer_end is None:
            self._cut()

    # -- what the loop calls -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._phase is _RAW:
            super().data_received(data)
            return
        if plain := self._decoded(data):
            super().data_received(plain)
        if self._peer_end is None:
            return
        if not isinstance(self._peer_end, ssl.SSLZeroReturnError):
            self._cut()
        elif self._reading is not FINISHED:
            super().eof_received()

    def eof_received(self) -> bool:
        """A FIN. After close_notify it says nothing new, and we may go on sending."""
        if self._phase is _RAW:
            return super().eof_received()
        if self._reading is not FINISHED:
            self._cut()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(self._peer_end if exc is None and not self._ended_cleanly() else exc)

    # -- reading -------------------------------------------------------------------------------------------------

    def _decoded(self, data: bytes) -> bytes:
        """The plain text of what arrived. What ended it is noted in `_peer_end`; all behind that is ignored."""
        if self._phase is _RAW:
            return data
        if self._has_ended():
            return b""
        pieces: list[bytes] = []
        if len(data) <= _AT_ONCE_BYTES:
            self._decrypt(data, pieces)
        else:
            view = memoryview(data)
            for start in range(0, len(data), _AT_ONCE_BYTES):
                self._decrypt(view[start : start + _AT_ONCE_BYTES], pieces)
        tls = self.tls
        if self._outgoing.pending:
            if self._writing_paused and self.transport.get_write_buffer_size() > _UNASKED_BYTES:
                self.abort()  # it asks for answers (a renegotiation, new keys) and reads none
            else:
                self._flush()
        if self._has_ended() and not self._ended_cleanly():
            # OpenSSL takes nothing more, and an exchange that what came before begins must not meet that.
            self._phase = _ENDED
        if self.on_session is not None and (session := tls.session) is not None and session.has_ticket:
            self.on_session(session)
            self.on_session = None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _decrypt(self, data: bytes | memoryview, into: list[bytes]) -> None:
        if self._peer_end is not None:
            return
        incoming, tls = self._incoming, self.tls
        incoming.write(data)
        try:
            while piece := tls.read(_RECORD_BYTES):
                into.append(piece)
                if not incoming.pending:
                    return  # at a record's end, as nearly always: SSLWantReadError would cost more than the read
            self._peer_end = ssl.SSLZeroReturnError()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            self._peer_end = exc

    def has_unread(self) -> bool:
        """Also between the last bytes and the close_notify that came with them: no connection to use again."""
        return super().has_unread() or self._peer_end is not None

    def _has_ended(self) -> bool:
        # `_decoded` asks twice, with what may change the answer in between. Compiled, a second `is not None` there
        # fails: what the first one has shown is taken to hold until the function's end.
        return self._peer_end is not None

    def _ended_cleanly(self) -> bool:
        return isinstance(self._peer_end, ssl.SSLZeroReturnError)

    def _cut(self) -> None:
        """The peer has ended the connection, and not as TLS does: nothing more comes, and nothing that we send is read.
        What is queued is sent, an alert perhaps; `connection_lost` follows."""
        self._phase = _ENDED
        if self._ended is None and not self.transport.is_closing():
            self._close_deadline = self.time() + CLOSE_S
            self.forget_taken()
            self.transport.close()

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._phase is _RAW:
            super().write(data)
        elif self._phase is _SECURED and self._ended is None and data:
            if len(data) <= _AT_ONCE_BYTES:
                self.tls.write(data)
                self.transport.write(self._outgoing.read())
            else:
                super().writelines(self._sealed([data]))

    def writelines(self, buffers: list[bytes]) -> None:
        """Small buffers share records with their neighbours: one for each would cost more bytes and more work."""
        if self._phase is _RAW:
            super().writelines(buffers)
        elif self._phase is _SECURED and self._ended is None:
            super().writelines(self._sealed(buffers))

    def _sealed(self, buffers: list[bytes]) -> list[bytes]:
        """Records of these bytes, all but the last of them full. What is large is not copied first."""
        records: list[bytes] = []
        together: list[bytes | memoryview] = []
        room = _AT_ONCE_BYTES
        for data in buffers:
            view = memoryview(data)
            start, size = 0, len(data)
            while start < size:
                piece = view[start : start + room]
                together.append(piece)
                start += len(piece)
                room -= len(piece)
                if not room:
                    records.append(self._sealed_together(together))
                    together = []
                    room = _AT_ONCE_BYTES
        if together:
            records.append(self._sealed_together(together))
        return records

    def _sealed_together(self, pieces: list[bytes | memoryview]) -> bytes:
        self.tls.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        return self._outgoing.read()

    def end_writing(self) -> None:
        """Half-close, by close_notify and FIN: TLS 1.3 has it (RFC 8446 §6.1), and most who speak 1.2 take it so."""
        self._send_close_notify()
        super().end_writing()

    def close(self) -> None:
        self._send_close_notify()
        super().close()

    def _send_close_notify(self) -> None:
        """Send close_notify: what was said before it is whole."""
        if self._phase is not _SECURED or self._ended is not None or self.transport.is_closing():
            return
        with contextlib.suppress(ssl.SSLError):  # it would wait for the peer's
            self.tls.unwrap()
        self._flush()
        self._phase = _ENDED

    def _flush(self) -> None:
        """Send what OpenSSL has to say; nothing behind our end, where the loops raise."""
        data = self._outgoing.read()
        if data and self._phase is not _ENDED and self._ended is None and not self.transport.is_closing():
            self.transport.write(data)
