"""The messages of an exchange, with what was decided about each field line.

Recorded only for the demo page, the inspector and `[explain]`. It holds what the deciding functions recorded; nothing
is decided a second time in order to show it.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, TypeAlias

import msgspec

from proxy.http1.fields import FieldLine, Fields
from proxy.http1.message import RequestHead, ResponseHead
from proxy.policy.decisions import Decisions, Outcome, Rule
from proxy.policy.forwarded import Hop
from proxy.policy.keeping import Keeping
from proxy.policy.stripping import STATED

_MOST_INTERIM: Final = 40  # of one exchange: they may come for hours
ANSWERED_HERE: Final = Rule(Outcome.ANSWERED_HERE, "went no further: this proxy answered the request")
BY_AUTH_SERVICE: Final = Rule(Outcome.SET, "copied from the answer of the auth service")


class Message(msgspec.Struct):
    """A head or a trailer section, as received and as sent. First lines are without line ends; a trailer section has
    none."""

    kind: str  # "request", "interim", "response", "request trailers", "response trailers"
    received: bytes
    sent: bytes  # empty of a request that was answered here
    lines: Fields  # as sent
    decisions: Decisions


class SeenAttempt(msgspec.Struct):
    """An attempt at a service, and its connection. Times are monotonic; 0.0: it did not happen."""

    began: float  # a connection was asked for, or taken
    reused: bool = False
    age_s: float = 0.0  # of the connection, when it was taken
    exchanges: int = 0  # on the connection before this one
    tls_began: float = 0.0  # on a new one
    connected: float = 0.0
    answered: float = 0.0  # the final response's head was read, or the 101's
    ended: float = 0.0
    connection: Keeping | None = None  # whether it was kept open, and why


class Seen:
    """All messages of one exchange without their bodies, and whether its connections were kept open."""

    __slots__ = ("attempts", "client", "is_told", "marks", "messages", "walk")

    def __init__(self) -> None:
        self.attempts: list[SeenAttempt] = []
        self.client: Keeping | None = None  # whether the client's connection was kept open, and why
        self.walk: list[Hop] = []  # from the trusted peer along X-Forwarded-For to the client
        self.is_told = False  # whether the client is sent the decisions, in its response
        self.messages: list[Message] = []
        self.marks: list[tuple[str, float]] = []  # what happened, and when (monotonic time)

    def mark(self, name: str) -> None:
        """Note the time of an event."""
        self.marks.append((name, monotonic()))

    def opening(self) -> None:
        """Begin an attempt on a new connection, which is being opened."""
        self.mark("connecting")
        self.attempts.append(SeenAttempt(self.marks[-1][1]))

    def opened(self, tls_began: float) -> None:
        """The new connection is open. `tls_began` is when TLS began; 0.0 without TLS."""
        self.mark("connected")
        self.attempts[-1].tls_began, self.attempts[-1].connected = tls_began, self.marks[-1][1]

    def took(self, age_s: float, exchanges: int) -> None:
        """Begin an attempt on a connection that was open already."""
        now = monotonic()
        self.attempts.append(SeenAttempt(now, True, age_s, exchanges, connected=now))

    def answered(self) -> None:
        """The response's head of the attempt under way was read."""
        self.attempts[-1].answered = monotonic()

    def released(self, connection: Keeping | None) -> None:
        """The attempt under way has ended; `connection` is whether it was kept. Twice does no harm."""
        if self.attempts and not self.attempts[-1].ended:
            self.attempts[-1].ended, self.attempts[-1].connection = monotonic(), connection

    def request(self, head: RequestHead, target: bytes, lines: Fields, decisions: Decisions) -> None:
        """Record the request as it is forwarded."""
        received = b"%b %b HTTP/%b" % (head.method, head.target, head.http_version)
        sent = b"%b %b HTTP/1.1" % (head.method, target)
        self.messages.append(Message("request", received, sent, lines, decisions))

    def ended_here(self, method: bytes, target: bytes, version: bytes, lines: Sequence[FieldLine]) -> None:
        """Record the request as it arrived, unless it was forwarded before it was answered here."""
        if any(message.kind == "request" for message in self.messages):
            return
        decisions = Decisions()
        decisions.decide_all(lines, ANSWERED_HERE)
        received = b"%b %b HTTP/%b" % (method, target, version) if method else b""
        self.messages.append(Message("request", received, b"", [], decisions))

    def response(self, head: ResponseHead, lines: Fields, decisions: Decisions) -> None:
        """Record a response, interim ones too, as it is forwarded."""
        kind = "interim" if head.status < 200 and head.status != 101 else "response"
        if kind == "interim" and len(self.messages) > _MOST_INTERIM:
            return
        received = b"HTTP/%b %d %b" % (head.http_version, head.status, head.reason)
        sent = b"HTTP/1.1 %d %b" % (head.status, head.reason)
        self.messages.append(Message(kind, received, sent, lines, decisions))

    def answer(self, status: int, reason: bytes, lines: Fields) -> None:
        """Record an answer of the proxy itself, or its 100 (Continue)."""
        kind = "interim" if status < 200 else "response"
        decisions = Decisions()
        decisions.decide_all(lines, STATED)
        self.messages.append(Message(kind, b"", b"HTTP/1.1 %d %b" % (status, reason), lines, decisions))

    def watch_trailers(self, kind: str, forward: Callable[..., Fields]) -> Callable[[Fields], Fields]:
        """Wrap `forward`, which chooses the trailers to forward, so that its decisions are recorded. `kind`: "request"
        or "response"."""

        def forward_and_note(lines: Fields) -> Fields:
            decisions = Decisions()
            going_on = forward(lines, decisions=decisions)
            if lines:
                self.messages.append(Message(f"{kind} trailers", b"", b"", going_on, decisions))
            return going_on

        return forward_and_note


#: Called as a request begins, with monotonic time: the record for its details, or None where there is none.
Look: TypeAlias = Callable[[float], Seen | None]


def look_at_all(_: float) -> Seen:
    """Record every request."""
    return Seen()
