"""What passed through an exchange, message by message, with what was decided about each field line.

Kept only where somebody looks: the demo page, or the inspector. It holds what the deciding functions recorded; nothing
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
    """A head or a trailer section that came and went on. First lines are without their line ends; a trailer section has
    none."""

    kind: str  # "request", "interim", "response", "request trailers", "response trailers"
    received: bytes
    sent: bytes  # empty of a request that was answered here
    lines: Fields  # as they went on
    decisions: Decisions


class SeenAttempt(msgspec.Struct):
    """An attempt at a service, and its connection. Times are monotonic; 0.0: it has not come to that."""

    began: float  # a connection was asked for, or taken
    reused: bool = False
    age_s: float = 0.0  # of the connection, when it was taken
    exchanges: int = 0  # that it had carried before
    tls_began: float = 0.0  # on a new one
    connected: float = 0.0
    answered: float = 0.0  # the final response's head was read, or the 101's
    ended: float = 0.0
    connection: Keeping | None = None  # what became of it


class Seen:
    """Everything that one exchange has carried besides its bodies, and what became of its connections."""

    __slots__ = ("attempts", "client", "is_told", "marks", "messages", "walk")

    def __init__(self) -> None:
        self.attempts: list[SeenAttempt] = []
        self.client: Keeping | None = None  # what became of the client's connection
        self.walk: list[Hop] = []  # from the peer, which is trusted, to the client
        self.is_told = False  # to the client, in its response
        self.messages: list[Message] = []
        self.marks: list[tuple[str, float]] = []  # what happened, and when (monotonic time)

    def mark(self, name: str) -> None:
        """Something has happened now."""
        self.marks.append((name, monotonic()))

    def opening(self) -> None:
        """A connection is opened for another attempt."""
        self.mark("connecting")
        self.attempts.append(SeenAttempt(self.marks[-1][1]))

    def opened(self, tls_began: float) -> None:
        """It is open; TLS, if it is spoken, began at this time, or else at 0.0."""
        self.mark("connected")
        self.attempts[-1].tls_began, self.attempts[-1].connected = tls_began, self.marks[-1][1]

    def took(self, age_s: float, exchanges: int) -> None:
        """A connection that was open already is used for another attempt."""
        now = monotonic()
        self.attempts.append(SeenAttempt(now, True, age_s, exchanges, connected=now))

    def answered(self) -> None:
        """The attempt under way has its response's head."""
        self.attempts[-1].answered = monotonic()

    def released(self, connection: Keeping | None) -> None:
        """The attempt under way has ended, and its connection became this. Twice does no harm."""
        if self.attempts and not self.attempts[-1].ended:
            self.attempts[-1].ended, self.attempts[-1].connection = monotonic(), connection

    def request(self, head: RequestHead, target: bytes, lines: Fields, decisions: Decisions) -> None:
        """The request goes on like this."""
        received = b"%b %b HTTP/%b" % (head.method, head.target, head.http_version)
        sent = b"%b %b HTTP/1.1" % (head.method, target)
        self.messages.append(Message("request", received, sent, lines, decisions))

    def ended_here(self, method: bytes, target: bytes, version: bytes, lines: Sequence[FieldLine]) -> None:
        """The request as it arrived, unless it went on before it was answered here."""
        if any(message.kind == "request" for message in self.messages):
            return
        decisions = Decisions()
        decisions.decide_all(lines, ANSWERED_HERE)
        received = b"%b %b HTTP/%b" % (method, target, version) if method else b""
        self.messages.append(Message("request", received, b"", [], decisions))

    def response(self, head: ResponseHead, lines: Fields, decisions: Decisions) -> None:
        """A response, interim ones too, goes on like this."""
        kind = "interim" if head.status < 200 and head.status != 101 else "response"
        if kind == "interim" and len(self.messages) > _MOST_INTERIM:
            return
        received = b"HTTP/%b %d %b" % (head.http_version, head.status, head.reason)
        sent = b"HTTP/1.1 %d %b" % (head.status, head.reason)
        self.messages.append(Message(kind, received, sent, lines, decisions))

    def answer(self, status: int, reason: bytes, lines: Fields) -> None:
        """An answer of our own goes to the client, or a 100: no service said any of it."""
        kind = "interim" if status < 200 else "response"
        decisions = Decisions()
        decisions.decide_all(lines, STATED)
        self.messages.append(Message(kind, b"", b"HTTP/1.1 %d %b" % (status, reason), lines, decisions))

    def watch_trailers(self, kind: str, forward: Callable[..., Fields]) -> Callable[[Fields], Fields]:
        """A function that says which trailers of a "request" or "response" go on, and takes note of what it said."""

        def forward_and_note(lines: Fields) -> Fields:
            decisions = Decisions()
            going_on = forward(lines, decisions=decisions)
            if lines:
                self.messages.append(Message(f"{kind} trailers", b"", b"", going_on, decisions))
            return going_on

        return forward_and_note


#: Called as a request begins, with monotonic time: what it is to be recorded in, or None where it is not.
Look: TypeAlias = Callable[[float], Seen | None]


def look_at_all(_: float) -> Seen:
    """Record every request."""
    return Seen()
