"""Listening sockets, bound once per worker, and kept for as long as an address is configured."""

import contextlib
import errno
import socket
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from proxy.config.build import parse_listen

BACKLOG: Final = 2048
_IN_USE: Final = "the address is in use; --listen HOST:PORT chooses another"


class CannotStart(Exception):
    """Serving cannot begin; the text says why."""


class CannotListen(CannotStart):
    """An address cannot be bound; the text says which, and why."""


class Listeners:
    """The listening sockets of an instance, by address as configured. They outlive the generations that accept on them:
    closing one would reset who waits in its queue, so an address that stays keeps all of its sockets."""

    def __init__(self) -> None:
        self._bound: dict[_Key, list[list[socket.socket]]] = {}  # a list for each interface, of one socket per worker

    def bind(self, addresses: Iterable[str], workers: int) -> list[list[socket.socket]]:
        """Bind what is not bound yet; return the sockets of each worker. Raises CannotListen, and leaves everything as
        it was then."""
        before = self.bound()
        of_workers: list[list[socket.socket]] = [[] for _ in range(workers)]
        try:
            for key in _keys(addresses):
                self._bind(key, workers)
                for sockets in self._bound[key]:
                    for index, listening in enumerate(sockets):  # fewer workers than before: each takes several
                        of_workers[index % workers].append(listening)
        except CannotListen:
            self.close_all_but(before)
            raise
        return of_workers

    def bound(self) -> set[socket.socket]:
        """All sockets."""
        return {one for interfaces in self._bound.values() for sockets in interfaces for one in sockets}

    def keep_only(self, addresses: Iterable[str]) -> None:
        """Close the sockets of all other addresses."""
        kept = set(_keys(addresses))
        self.close_all_but({one for key in kept for sockets in self._bound.get(key, ()) for one in sockets})

    def close(self) -> None:
        """Close all sockets."""
        self.close_all_but(())

    def close_all_but(self, kept: Collection[socket.socket]) -> None:
        """Close all sockets but these."""
        for key, interfaces in list(self._bound.items()):
            for sockets in interfaces:
                for listening in [one for one in sockets if one not in kept]:
                    sockets.remove(listening)
                    listening.close()
            if not any(interfaces):
                del self._bound[key]

    def _bind(self, key: "_Key", workers: int) -> None:
        host, port = parse_listen(key.address)
        if key.which and port:
            raise CannotListen(f"cannot listen on {key.address}: it is listed twice")
        hosts = [host] if host else _every_interface()
        is_new = key not in self._bound
        interfaces = self._bound.setdefault(key, [[] for _ in hosts])
        try:
            for address, sockets in zip(hosts, interfaces, strict=False):
                if sockets:
                    port = sockets[0].getsockname()[1]
                elif not self._is_ours(address, port):
                    # Port 0 is chosen by the first socket; with SO_REUSEPORT a port in use would go unnoticed, so one
                    # socket without it asks first.
                    with _socket(address, port, shared=False, both_families=bool(host)) as probe:
                        port = probe.getsockname()[1]
                while len(sockets) < workers:
                    listening = _socket(address, port, shared=True, both_families=bool(host))
                    sockets.append(listening)
                    if is_new:
                        listening.listen(BACKLOG)
                    # Else its worker does that: before there is one, the kernel gives all connections to the others.
        except OSError as exc:
            reason = _IN_USE if exc.errno == errno.EADDRINUSE else exc.strerror or str(exc)
            raise CannotListen(f"cannot listen on {key.address}: {reason}") from exc

    def _is_ours(self, host: str, port: int) -> bool:
        """Whether the port is bound here already, for another address: asking for it would only meet ourselves."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return any(one.family == family and one.getsockname()[1] == port for one in self.bound())


class _Key(NamedTuple):
    """An address as configured; `which` tells several ":0" apart."""

    address: str
    which: int


def _keys(addresses: Iterable[str]) -> Iterator[_Key]:
    seen: Counter[str] = Counter()
    for address in addresses:
        yield _Key(address, seen[address])
        seen[address] += 1


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
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def shown_address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
