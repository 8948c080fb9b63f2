"""Listening sockets, bound once per worker."""

import contextlib
import errno
import socket
from typing import Final

from proxy.config.build import parse_listen
from proxy.config.model import Config

_BACKLOG: Final = 2048
_IN_USE: Final = "the address is in use; --listen HOST:PORT chooses another"


class CannotStart(Exception):
    """Serving cannot begin; the text says why."""


class CannotListen(CannotStart):
    """An address cannot be bound; the text says which, and why."""


def bind(config: Config, workers: int) -> list[list[socket.socket]]:
    """Bind every listen address once per worker; return the sockets of each. Raises CannotListen."""
    sockets: list[list[socket.socket]] = [[] for _ in range(workers)]
    for listen in config.listen:
        host, port = parse_listen(listen)
        try:
            for address in [host] if host else _every_interface():
                # Port 0 is chosen by the first socket; with SO_REUSEPORT a port in use would go unnoticed, so one
                # socket without it asks first.
                with _socket(address, port, shared=False, both_families=bool(host)) as probe:
                    port = probe.getsockname()[1]
                for of_worker in sockets:
                    of_worker.append(_socket(address, port, shared=workers > 1, both_families=bool(host)))
        except OSError as exc:
            reason = _IN_USE if exc.errno == errno.EADDRINUSE else exc.strerror or str(exc)
            raise CannotListen(f"cannot listen on {listen}: {reason}") from exc
    return sockets


def _every_interface() -> list[str]:
    """The wildcard of each address family that this machine has."""
    wildcards = ["0.0.0.0"]  # noqa: S104  # asked for: the host was left out
    if socket.has_ipv6:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
            wildcards.append("::")
    return wildcards


def _socket(host: str, port: int, *, shared: bool, both_families: bool) -> socket.socket:
    info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = info[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and not both_families:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # the other family has its own socket
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def shown_address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
