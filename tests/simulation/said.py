"""What services were asked and have said, as the laws look at it."""

from dataclasses import dataclass

from tests.simulation.messages import Arriving
from tests.simulation.peers import Channel


@dataclass
class Answer:
    """What a service said to one request."""

    number: int
    channel: Channel  # the service's
    request: Arriving
    status: int
    size: int
    framing: str  # "length", "chunked", "until close"
    head: bytes
    begins_at: int  # the offset of its head among all that was sent on this connection
    intended: str
    whole: bool = False  # everything was written
    closed: bool = False  # and, where only that delimits it, the end was written, too

    @property
    def head_delivered(self) -> bool:
        """Whether its head has reached the proxy's kernel."""
        return self.channel.arrived >= self.begins_at + len(self.head)

    @property
    def body_delivered(self) -> int:
        """How many of the bytes behind its head have."""
        return max(0, self.channel.arrived - self.begins_at - len(self.head))


@dataclass
class Arrival:
    """A request that has reached a service."""

    message: Arriving
    at: float
    answer: Answer | None = None


@dataclass
class Tunnelled:
    """What a service has seen and said behind a 101."""

    number: int  # of the answer that begins it
    target: bytes
    channel: Channel
    begins_at: int  # the offset of what it said, among all that was sent on this connection
    said: bytes = b""  # as far as it was written
    got: bytes = b""
    saw_end: bool = False

    @property
    def delivered(self) -> bytes:
        """What of `said` has reached the proxy's kernel."""
        return self.said[: max(0, self.channel.arrived - self.begins_at)]
