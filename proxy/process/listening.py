"""The listener of each listening socket, and its settings."""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from proxy.config.build import listen_addresses, server_tls
from proxy.config.listener_model import ListenerConfig
from proxy.config.model import Config
from proxy.downstream.arrival import ListenerSettings
from proxy.policy.forwarded import networks
from proxy.transport.server_tls import server_contexts


class ConfiguredAddress(NamedTuple):
    """An address as configured; `which` tells several ":0" apart."""

    address: str
    which: int


class ListeningSocket(socket.socket):
    """A socket that knows the configured address for which it was bound: the kernel knows the resolved one only.
    `file` tells the file of a Unix socket from one that somebody else has put at its path; () for none."""

    __slots__ = ("file", "place")

    place: ConfiguredAddress

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As socket.socket."""
        super().__init__(*args, **kwargs)
        self.file: tuple[int, ...] = ()

    def dup(self) -> "ListeningSocket":
        """Another descriptor of the same socket."""
        other = ListeningSocket(self.family, self.type, self.proto, os.dup(self.fileno()))
        other.place, other.file = self.place, self.file
        return other


def places(addresses: Iterable[str]) -> Iterator[ConfiguredAddress]:
    """The addresses, numbered where they are alike."""
    seen: Counter[str] = Counter()
    for address in addresses:
        yield ConfiguredAddress(address, seen[address])
        seen[address] += 1


def listener_at(config: Config, place: ConfiguredAddress) -> ListenerConfig | None:
    """The listener at an address; None for those of `listen`."""
    every = [*[None] * len(config.listen), *config.listeners.values()]
    return dict(zip(places(listen_addresses(config)), every, strict=True))[place]


class Listening:
    """The listeners of a configuration, by the sockets that were bound for them. Raises CertificateFault."""

    def __init__(
        self, config: Config, sockets: Iterable[socket.socket], on_handshake: Callable[[str], None] | None = None
    ) -> None:
        of_listeners = [_settings(config, name, on_handshake) for name in config.listeners]
        every = [ListenerSettings(is_unix=address.startswith("unix:")) for address in config.listen] + of_listeners
        by_place = dict(zip(places(listen_addresses(config)), every, strict=True))
        self.contexts = [each.contexts for each in of_listeners if each.contexts is not None]
        self._by_bound = {
            # Plain sockets, which tests make, count as those of `listen`.
            each.getsockname(): by_place[each.place] if isinstance(each, ListeningSocket) else ListenerSettings()
            for each in sockets
        }

    def settings_of(self, sockets: Iterable[socket.socket]) -> dict[socket.socket, ListenerSettings]:
        """The settings of these sockets: this worker's own, or another worker's, which are plain sockets with the same
        addresses."""
        return {each: self._by_bound[each.getsockname()] for each in sockets}


def _settings(config: Config, name: str, on_handshake: Callable[[str], None] | None) -> ListenerSettings:
    listener = config.listeners[name]
    tls = server_tls(listener.tls)
    return ListenerSettings(
        name,
        is_unix=listener.address.startswith("unix:"),
        proxy_peers=networks(listener.proxy_protocol),
        contexts=server_contexts(tls) if tls is not None else None,
        https_port=listener.https_port if listener.redirect_to_https else 0,
        on_handshake=on_handshake,
    )
