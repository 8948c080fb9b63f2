"""What a case's client and upstream do, step by step.

A step that is text is sent: `GET / HTTP/1.1|Host: h||`, where `|` is CRLF. Bytes are sent as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from tests.harness.scripted import PATIENCE_S

if TYPE_CHECKING:
    from tests.conformance.play import Record


@dataclass(frozen=True)
class Slowly:
    """Send one byte per segment."""

    data: str | bytes


@dataclass(frozen=True)
class Pause:
    """A short wait for what no event tells."""

    seconds: float = 0.05


@dataclass(frozen=True)
class Signal:
    """Let whoever waits for it go on."""

    name: str


@dataclass(frozen=True)
class Await:
    """Wait for a signal of the other side's script."""

    name: str


# -- the client's ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Response:
    """Read one final response, and the interim ones before it."""

    method: str = "GET"


@dataclass(frozen=True)
class Interim:
    """Read one interim response, before the final one comes."""


@dataclass(frozen=True)
class Maybe:
    """Read a response if one comes within a moment: some proxies answer only once the whole body is there.

    Who does answer is not waited for longer than it takes: a busy machine gets its time."""

    seconds: float = PATIENCE_S / 20


@dataclass(frozen=True)
class Verdict:
    """Read what a refused request gets: a response, or the end; a proxy that waits for more sees our end."""

    method: str = "GET"


@dataclass(frozen=True)
class Closed:
    """Wait until the proxy ends the connection."""


@dataclass(frozen=True)
class Quiet:
    """Nothing more may arrive for a moment; what does is `surplus`."""

    seconds: float = 0.08


@dataclass(frozen=True)
class Tunnelled:
    """Read this many bytes of a tunnel."""

    count: int


@dataclass(frozen=True)
class HalfClose:
    """End our side, and go on reading. Also a step of the upstream's."""


@dataclass(frozen=True)
class NewConnection:
    """All further steps happen on a new connection."""


@dataclass(frozen=True)
class Leave:
    """Break the connection."""


@dataclass(frozen=True)
class Learn:
    """Send what is made from what was recorded so far."""

    make: "Callable[[Record], str]"


# -- the upstream's ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Early:
    """The first step of an answer that does not wait for the request's body."""


@dataclass(frozen=True)
class ReadBody:
    """Read the request's body."""


@dataclass(frozen=True)
class Invite:
    """Send 100 (Continue), if the request has asked for it."""


@dataclass(frozen=True)
class EndAcknowledged:
    """Wait until the proxy's kernel has acknowledged the end of our side."""


@dataclass(frozen=True)
class Close:
    """End the connection."""


@dataclass(frozen=True)
class Reset:
    """Break the connection with RST."""


@dataclass(frozen=True)
class Tunnel:
    """From here on, echo whatever comes, until the proxy ends it."""


Step = object
Answer = str | bytes | tuple[Step, ...]


# -- the case ----------------------------------------------------------------------------------------------------------


class Level(Enum):
    """What the RFC says of it; `GOOD` is practice: what a careful proxy does and no RFC demands."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    GOOD = "good practice"


Check = Callable[["Record"], str | None]

OK = "HTTP/1.1 200 OK|Content-Length: 2||ok"


@dataclass(frozen=True)
class Case:
    """One row. The upstream gives its answers in order of the requests, over all connections; the last one repeats.

    `expect` holds for every proxy, `promise` is what onehop says beyond it. `setting` names a configuration that
    only onehop has; for other proxies such a case does not apply.
    """

    id: str
    title: str
    reference: str
    level: Level
    client: str | tuple[Step, ...]
    expect: tuple[Check, ...]
    upstream: tuple[Answer, ...] = (OK,)
    promise: tuple[Check, ...] = ()
    setting: str = "plain"
    group: str = field(default="", compare=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The client's script. Text alone is one request and its response."""
        return (self.client, Response()) if isinstance(self.client, str) else self.client

    @property
    def client_sends(self) -> tuple[bytes, ...]:
        """All bytes of the client, connection by connection, but for what it learns on the way."""
        connections = [b""]
        for step in self.steps:
            if isinstance(step, NewConnection):
                connections.append(b"")
            connections[-1] += sent_by(step)
        return tuple(connections)

    @property
    def upstream_sends(self) -> tuple[bytes, ...]:
        """All bytes of each answer."""
        return tuple(
            b"".join(sent_by(step) for step in (answer if isinstance(answer, tuple) else (answer,)))
            for answer in self.upstream
        )


def sent_by(step: Step) -> bytes:
    """What a step sends."""
    data = step.data if isinstance(step, Slowly) else step
    return w(data) if isinstance(data, str | bytes) else b""


def w(notation: str | bytes) -> bytes:
    """The bytes that a notation stands for."""
    return notation if isinstance(notation, bytes) else notation.replace("|", "\r\n").encode("latin-1")
