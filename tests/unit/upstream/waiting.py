"""Stands where a connection stands on which an answer is waited for."""

from proxy.upstream.connection import LEASED, ConnectionState
from proxy.upstream.origin import Origin


class Connection:
    """The part of a connection that `Stalls` looks at; notes when its request is hurried."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.state: ConnectionState = LEASED
        self.exchanges = 1
        self.response_began = False
        self.head_deadline = 300.0  # the request was sent
        self.hurried: list[float] = []

    def hurry(self, now: float) -> None:
        self.hurried.append(now)
