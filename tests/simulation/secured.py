"""TLS as a simulated peer speaks it: OpenSSL over an endpoint. A peer may end without close_notify, as many do."""

import atexit
import datetime
import shutil
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from tests.simulation.dice import Dice
from tests.simulation.kernel import Endpoint
from tests.simulation.peers import Script

_RECORD_BYTES: Final = 16_384


@cache
def certificate() -> str:
    """A PEM file with a certificate and its key. Their signatures have always the same length: a seed has to repeat its
    world."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1 << 62)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, None)
    )
    pem = serialization.Encoding.PEM
    folder = Path(tempfile.mkdtemp(prefix="onehop-simulated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "certificate.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + private)
    return str(path)


@cache
def server_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """For who is connected to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate())
    context.maximum_version = version
    return context


@cache
def client_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """For who connects."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    return context


class Secured:
    """An endpoint over which TLS is spoken. What an `Endpoint` offers to a script, this offers, too."""

    def __init__(self, raw: Endpoint, dice: Dice, *, server_side: bool) -> None:
        version = dice.choice((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3))
        context = server_context(version) if server_side else client_context(version)
        self.raw = raw
        self.dice = dice
        self.says_goodbye = dice.random() < 0.75
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side)
        self._plain = bytearray()
        self._queued = bytearray()  # that the kernel has not taken yet
        self._ended = ""  # how the peer ended: "goodbye", or anything else
        self._said = self._encrypted = 0
        self._records: list[tuple[int, int]] = []  # where each ends in what was encrypted, and in what was said
        self._then: Callable[[], None] | None = None  # once the kernel has taken everything
        before = raw.on_change

        def changed() -> None:
            if before is not None:
                before()
            with suppress(OSError):
                self._flush()

        raw.on_change = changed

    @property
    def name(self) -> str:
        """As it stands in a trace."""
        return self.raw.name

    @property
    def on_change(self) -> Callable[[], None] | None:
        """The program may have something to do."""
        return self.raw.on_change

    @property
    def is_dead(self) -> bool:
        """Whether a reset was received."""
        return self.raw.is_dead

    @property
    def arrived(self) -> int:
        """How many bytes of what was said have reached the proxy's kernel, in whole records."""
        here = self.raw.arrived
        return max((said for encrypted, said in self._records if encrypted <= here), default=0)

    @property
    def ended_cleanly(self) -> bool:
        """Whether the peer has ended its side as TLS does."""
        return self._ended == "goodbye"

    @property
    def is_readable(self) -> bool:
        return bool(self._plain or self._ended) or self.raw.is_readable

    @property
    def is_writable(self) -> bool:
        return self.raw.is_dead or (not self._queued and self.raw.is_writable)

    def handshake(self) -> Script:
        """Shake hands. Raises OSError: ssl.SSLError is one."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._send_pending()
            yield lambda: self.raw.is_readable
            with suppress(BlockingIOError):
                data = self.raw.recv(100_000)
                if not data:
                    raise ConnectionAbortedError
                self._incoming.write(data)
        self._send_pending()

    def send(self, data: bytes) -> int:
        """As an endpoint's."""
        if not self._flush():
            raise BlockingIOError
        count = self._tls.write(data[:_RECORD_BYTES])
        self._said += count
        self._send_pending()
        self._records.append((self._encrypted, self._said))
        return count

    def recv(self, count: int) -> bytes:
        """As an endpoint's; `b""` is a clean end, and any other raises OSError."""
        if not self._plain and not self._ended:
            data = self.raw.recv(100_000)
            if not data:
                self._ended = "without a goodbye"
            self._incoming.write(data)
            self._decrypt()
        if self._plain:
            piece = bytes(self._plain[:count])
            del self._plain[:count]
            return piece
        if not self._ended:
            raise BlockingIOError
        if not self.ended_cleanly:
            raise ConnectionAbortedError(self._ended)
        return b""

    def shut_down_writing(self) -> None:
        """End our side."""
        self._say_goodbye()
        self._when_sent(self.raw.shut_down_writing)

    def close(self) -> None:
        """End both sides, once what was said is in the kernel."""
        if not self.raw.is_dead and not self.raw.is_closed:
            self._say_goodbye()
        self._when_sent(self.raw.close)

    def reset(self) -> None:
        """Close with RST."""
        self.raw.reset()

    def _decrypt(self) -> None:
        try:
            while piece := self._tls.read(_RECORD_BYTES):
                self._plain += piece
            self._ended = "goodbye"
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._ended = "goodbye"
        except ssl.SSLError as exc:
            self._ended = str(exc)
        with suppress(OSError):
            self._send_pending()

    def _say_goodbye(self) -> None:
        if self.says_goodbye and self._then is None:
            with suppress(ssl.SSLError):  # it would wait for the peer's
                self._tls.unwrap()
            with suppress(OSError):
                self._send_pending()

    def _when_sent(self, then: Callable[[], None]) -> None:
        self._then = then
        with suppress(OSError):
            self._flush()
        if self.raw.is_dead:
            then()

    def _send_pending(self) -> None:
        data = self._outgoing.read()
        self._encrypted += len(data)
        self._queued += data
        self._flush()

    def _flush(self) -> bool:
        """Give the kernel what it takes; whether it took everything."""
        try:
            while self._queued:
                del self._queued[: self.raw.send(self._queued)]
        except BlockingIOError:
            return False
        then, self._then = self._then, None
        if then is not None:
            then()
        return True
