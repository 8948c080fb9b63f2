"""What comes before HTTP on a connection, a PROXY header and the TLS handshake, and who the client is.

Connections of a listener that has neither need only `identity_of`.
"""

import ssl
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.downstream.proxy_protocol import NoProxyHeader, proxy_header
from proxy.errors import BadRequest
from proxy.policy.forwarded import UNIX, ClientIdentity, Network, is_trusted, plain_address
from proxy.transport.closing import linger
from proxy.transport.server_tls import ServerContexts, client_certificate
from proxy.transport.stream import ConnectionEnded, Stream
from proxy.transport.tls import tls_reason
from proxy.transport.tls_stream import TlsStream

_ALERT_S: Final = 1.0  # of silence after a failed handshake, before the close: the client reads its alert meanwhile
_TLS_HANDSHAKE: Final = 0x16  # the first byte of a TLS connection (RFC 8446 §5.1)


class ListenerSettings(NamedTuple):
    """How connections of one listening socket begin."""

    name: str = ""  # as configured; "" for those of `listen`
    is_unix: bool = False
    proxy_peers: tuple[Network, ...] = ()  # whose connections begin with a PROXY header
    contexts: ServerContexts | None = None  # where TLS is spoken
    https_port: int = 0  # to which it redirects; 0: it does not
    on_handshake: Callable[[str], None] | None = None  # told how one of TLS ended: "full", "resumed" or "failed"

    @property
    def begins_with_http(self) -> bool:
        """Whether nothing stands before HTTP."""
        return self.contexts is None and not self.proxy_peers


class TurnedAway(Exception):
    """A connection did not begin as it must; the text says why, for the log. `answer` is for its client, if that may
    understand it."""

    def __init__(self, reason: str, answer: BadRequest | None = None, identity: ClientIdentity | None = None) -> None:
        super().__init__(reason)
        self.answer = answer
        self.identity = identity


def identity_of(stream: Stream, settings: ListenerSettings, trusted: tuple[Network, ...]) -> ClientIdentity | None:
    """The peer's identity, by the connection's own address; None where it has ended already."""
    if settings.is_unix:
        address = UNIX
    else:
        peer = stream.transport.get_extra_info("peername")
        if not isinstance(peer, tuple):
            return None  # the kernel no longer knows its address
        address = plain_address(peer[0])
    return ClientIdentity(
        address.encode("ascii"),
        bool(trusted) and is_trusted(address, trusted),
        listener=settings.name,
        https_port=settings.https_port,
    )


async def arrive(
    stream: Stream, settings: ListenerSettings, trusted: tuple[Network, ...], deadline: float
) -> ClientIdentity | None:
    """Carry a connection up to where HTTP begins; None where it has ended before it said anything.

    Raises TurnedAway, also past `deadline` (loop time).
    """
    identity = identity_of(stream, settings, trusted)
    if identity is None:
        return None
    try:
        if settings.proxy_peers and is_trusted(identity.address.decode("ascii"), settings.proxy_peers):
            stated = await _read_proxy_header(stream, deadline)
            if stated is not None:
                identity = ClientIdentity(
                    stated.encode("ascii"), is_trusted(stated, trusted), identity.scheme, listener=identity.listener,
                    https_port=identity.https_port,
                )  # fmt: skip
        if settings.contexts is None:
            return identity
        assert isinstance(stream, TlsStream)
        first = await stream.read(deadline)
        if not first:
            return None
        stream.push_back(first)
        if first[0] != _TLS_HANDSHAKE:
            answer = BadRequest("this port speaks TLS: ask with https://", code="plain_http_on_tls_port")
            raise TurnedAway("no TLS", answer, identity)
        await stream.handshake(settings.contexts.context, deadline, server_side=True)
    except NoProxyHeader as exc:
        answer = BadRequest("the connection has to begin with a PROXY header", code="no_proxy_header")
        raise TurnedAway(str(exc), None if settings.contexts is not None else answer, identity) from exc
    except TimeoutError as exc:
        _tell_failed(stream, settings)
        raise TurnedAway("it did not begin in time", None, identity) from exc
    except ssl.SSLError as exc:
        _tell_failed(stream, settings)
        # Its client may have sent more by now (with TLS 1.3, all of its request): a close with that unread is a reset,
        # which destroys the alert that says why.
        await linger(stream, _ALERT_S, 2 * _ALERT_S)
        raise TurnedAway(f"TLS: {tls_reason(exc)}", None, identity) from exc
    except ConnectionEnded:
        _tell_failed(stream, settings)
        return None
    except ConnectionAbortedError as exc:
        _tell_failed(stream, settings)
        raise TurnedAway("it ended within the TLS handshake", None, identity) from exc
    if settings.on_handshake is not None:
        settings.on_handshake("resumed" if stream.tls.session_reused else "full")
    return ClientIdentity(
        identity.address, identity.trusted, b"https", listener=identity.listener,
        certificate=client_certificate(stream.tls),
    )  # fmt: skip


def _tell_failed(stream: Stream, settings: ListenerSettings) -> None:
    """That a handshake has failed, if one had begun."""
    if settings.on_handshake is not None and isinstance(stream, TlsStream) and stream.handshake_began:
        settings.on_handshake("failed")


async def _read_proxy_header(stream: Stream, deadline: float) -> str | None:
    """The client's address that a balancer states, if it states one. Raises NoProxyHeader, and what `read` raises."""
    received = b""
    while True:
        if not (data := await stream.read(deadline)):
            raise ConnectionEnded
        received += data
        if (header := proxy_header(received)) is not None:
            if len(received) > header.length:
                stream.push_back(received[header.length :])
            return header.address
