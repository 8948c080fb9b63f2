"""A stream over TLS, where the kernel holds other bytes than the peer has sent."""

import ssl

from proxy.transport.stream import Stream


class TlsStream(Stream):
    """A stream over TLS. The peer's end is clean only where its close_notify says so: a bare FIN is ConnectionEnded, so
    that nobody on the way can cut a body that ends with its connection."""

    __slots__ = ()

    def eof_received(self) -> bool:
        """The peer has ended its side, and with it the connection: both event loops close it then."""
        if self._has_close_notify():
            super().eof_received()
        return False

    def _has_close_notify(self) -> bool:
        """Whether close_notify has come. asyncio's own loop does not tell it from a bare FIN; OpenSSL does."""
        tls: ssl.SSLObject = self.transport.get_extra_info("ssl_object")
        try:
            return not tls.read(1)
        except ssl.SSLZeroReturnError:  # ours is sent, too
            return True
        except ssl.SSLError:  # it waits for more: SSLWantReadError
            return False
