"""Listening sockets, bound once per worker, and kept for as long as an address is configured."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from proxy.config.build import parse_listen
from proxy.config.model import Config
from proxy.process.listening import ConfiguredAddress, ListeningSocket, listener_at, places

BACKLOG: Final = 2048
_MODE: Final = 0o666  # of a Unix socket of `listen`: see ListenerConfig.socket_mode


class CannotStart(Exception):
    """Serving cannot begin; the text says why."""


class CannotListen(CannotStart):
    """An address cannot be bound; the text says which, and why."""


class Listeners:
    """The listening sockets of an instance, by address as configured. They outlive the generations that accept on them:
    closing one would reset the connections in its queue, so an address that stays keeps all of its sockets. Only a Unix
    socket whose file was removed is bound anew: no client can reach it any more."""

    def __init__(self, passed: Sequence[socket.socket] = (), *, setting: str = "--listen HOST:PORT") -> None:
        """`passed` are sockets that already listen, from the process that started this one (systemd); they are used for
        their addresses, and all workers accept from the one queue of each. `setting` chooses the addresses: the error
        for an address in use names it."""
        self._passed = passed
        self._setting = setting
        #: A list for each interface, of one socket per worker.
        self._bound: dict[ConfiguredAddress, list[list[socket.socket]]] = {}
        self._replaced: list[socket.socket] = []  # whose files are gone; workers accept on them until `keep_only`

    def bind(
        self, addresses: Iterable[str], workers: int, modes: Mapping[str, int] | None = None
    ) -> list[list[socket.socket]]:
        """Bind what is not bound yet; return the sockets of each worker. `modes` are those of Unix sockets' files, by
        address. Raises CannotListen; then nothing has changed."""
        before = self.bound()
        of_workers: list[list[socket.socket]] = [[] for _ in range(workers)]
        try:
            for key in places(addresses):
                self._bind(key, workers, (modes or {}).get(key.address, _MODE))
                for sockets in self._bound[key]:
                    for index, listening in enumerate(sockets):  # fewer workers than before: each takes several
                        of_workers[index % workers].append(listening)
        except CannotListen:
            self.close_all_but(before)
            raise
        return of_workers

    def bound(self) -> set[socket.socket]:
        """All sockets."""
        bound = {one for interfaces in self._bound.values() for sockets in interfaces for one in sockets}
        return bound.union(self._replaced)

    def keep_only(self, addresses: Iterable[str]) -> None:
        """Close the sockets of all other addresses."""
        kept = set(places(addresses))
        self.close_all_but({one for key in kept for sockets in self._bound.get(key, ()) for one in sockets})

    def close(self) -> None:
        """Close all sockets."""
        self.close_all_but(())

    def close_all_but(self, kept: Collection[socket.socket], *, remove: bool = True) -> None:
        """Close all sockets but these. `remove`: the files of Unix sockets, too; a child leaves them to the parent."""
        for one in self._passed if not remove else ():
            one.close()
        for replaced in [one for one in self._replaced if one not in kept]:
            self._replaced.remove(replaced)
            replaced.close()
        for key, interfaces in list(self._bound.items()):
            path = parse_listen(key.address)[0]
            # While our sockets are open: then no other file can have the number of ours.
            is_ours = any(
                _file_of(one) and _file_of(one) == _file_at(path) for sockets in interfaces for one in sockets
            )
            for sockets in interfaces:
                for listening in [one for one in sockets if one not in kept]:
                    sockets.remove(listening)
                    listening.close()
            if not any(interfaces):
                del self._bound[key]
                if remove and is_ours:  # else it belongs to another process
                    with contextlib.suppress(OSError):
                        os.unlink(path)

    def _bind(self, key: ConfiguredAddress, workers: int, mode: int) -> None:
        host, port = parse_listen(key.address)
        if key.which and (port or host.startswith("/")):
            raise CannotListen(f"cannot listen on {key.address}: it is listed twice")
        hosts = [host] if host else _every_interface()
        is_new = key not in self._bound
        interfaces = self._bound.setdefault(key, [[] for _ in hosts])
        try:
            if (passed := _passed_for(self._passed, host or hosts[-1], port)) is not None:
                while len(interfaces[-1]) < workers:  # a socket of systemd for `::` accepts both address families
                    listening = ListeningSocket(fileno=os.dup(passed.fileno()))
                    listening.place = key
                    interfaces[-1].append(listening)
                return
            if host.startswith("/"):
                _bind_unix(key, host, interfaces[0], workers, mode, self._replaced)
                return
            for address, sockets in zip(hosts, interfaces, strict=False):
                if sockets:
                    port = sockets[0].getsockname()[1]
                elif not self._is_ours(address, port):
                    # With SO_REUSEPORT, a port that is in use would go unnoticed: a socket without it finds out. It
                    # also chooses the port where 0 was given.
                    with _socket(address, port, shared=False, both_families=bool(host)) as probe:
                        port = probe.getsockname()[1]
                while len(sockets) < workers:
                    listening = _socket(address, port, shared=True, both_families=bool(host))
                    listening.place = key
                    sockets.append(listening)
                    if is_new:
                        listening.listen(BACKLOG)
                    # Else its worker calls listen(): until it runs, the kernel gives all connections to the others.
        except OSError as exc:
            reason = exc.strerror or str(exc)
            if exc.errno == errno.EADDRINUSE:
                reason = f"the address is in use; {self._setting} chooses another"
            raise CannotListen(f"cannot listen on {key.address}: {reason}") from exc

    def is_held_elsewhere(self, address: str) -> bool:
        """Whether an address that is not bound here cannot be: by a process to which a closed socket was passed on, for
        example."""
        host, port = parse_listen(address)
        if not port or any(place.address == address for place in self._bound):
            return False
        for each in [host] if host else _every_interface():
            try:
                if not self._is_ours(each, port):
                    _socket(each, port, shared=False, both_families=bool(host)).close()
            except OSError as exc:
                return exc.errno == errno.EADDRINUSE
        return False

    def _is_ours(self, host: str, port: int) -> bool:
        """Whether this instance has bound the port already, for another address: the probe would meet that socket."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return any(one.family == family and one.getsockname()[1] == port for one in self.bound())


def _passed_for(passed: Sequence[socket.socket], host: str, port: int) -> socket.socket | None:
    """The socket that was passed for an address, if there is one."""
    for one in passed:
        name = one.getsockname()
        if name == host if one.family == socket.AF_UNIX else name[:2] == (host, port):
            return one
    return None


def _every_interface() -> list[str]:
    """The wildcard of each address family that this machine has."""
    wildcards = ["0.0.0.0"]  # noqa: S104  # intended: an address without a host is every interface
    if socket.has_ipv6:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
            wildcards.append("::")
    return wildcards


def _socket(host: str, port: int, *, shared: bool, both_families: bool) -> ListeningSocket:
    info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = info[0]
    listening = ListeningSocket(family, kind, protocol)
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


def _bind_unix(
    place: ConfiguredAddress,
    path: str,
    sockets: list[socket.socket],
    workers: int,
    mode: int,
    replaced: list[socket.socket],
) -> None:
    """All workers accept from one queue: the kernel has no SO_REUSEPORT for Unix sockets. Sockets whose file somebody
    has removed, or replaced by another, go to `replaced`."""
    is_there = bool(sockets) and _file_of(sockets[0]) == _file_at(path)
    if is_there:
        os.chmod(path, mode)  # as it is configured now
    else:
        new = _unix_socket(path, mode)
        replaced += sockets
        sockets[:] = [new]
    first = sockets[0]
    assert isinstance(first, ListeningSocket)
    first.place = place
    while len(sockets) < workers:
        sockets.append(first.dup())


def _unix_socket(path: str, mode: int) -> ListeningSocket:
    """A Unix socket that listens at a path; a stale socket file there is replaced. Raises OSError."""
    listening = ListeningSocket(socket.AF_UNIX)
    try:
        with contextlib.suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as probe:
            if not stat.S_ISSOCK(os.stat(path).st_mode):
                raise OSError(errno.EEXIST, "a file of that name exists, and is not a socket")
            probe.setblocking(False)
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)
        listening.bind(path)
        os.chmod(path, mode)  # before it listens: nobody may connect with the mode of the umask
        listening.file = _file_at(path)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _file_at(path: str) -> tuple[int, ...]:
    """Which file is at a path, () for none. As long as a socket that is bound to a file is open, no other file gets its
    number, not even once it was removed."""
    try:
        found = os.lstat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino


def _file_of(listening: socket.socket) -> tuple[int, ...]:
    """The file that was made for a socket: none for one of TCP, or one that was passed."""
    return listening.file if isinstance(listening, ListeningSocket) else ()


def modes(config: Config) -> dict[str, int]:
    """Of the files of Unix sockets, by address."""
    return {each.address: int(each.socket_mode, 8) for each in config.listeners.values()}


def shown_address(listening: socket.socket) -> str:
    """Where a socket listens: HOST:PORT, or unix:/PATH."""
    if listening.family == socket.AF_UNIX:
        return f"unix:{listening.getsockname()}"
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown_url(config: Config, listening: socket.socket) -> str:
    """Where a socket listens, as a URL."""
    if listening.family == socket.AF_UNIX:
        return shown_address(listening)
    assert isinstance(listening, ListeningSocket)
    listener = listener_at(config, listening.place)
    scheme = "https" if listener is not None and listener.tls.certificates else "http"
    return f"{scheme}://{shown_address(listening)}"
