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


class Seen:
    """Everything that one exchange has carried besides its bodies."""

    __slots__ = ("is_told", "marks", "messages")

    def __init__(self) -> None:
        self.is_told = False  # to the client, in its response
        self.messages: list[Message] = []
        self.marks: list[tuple[str, float]] = []  # what happened, and when (monotonic time)

    def mark(self, name: str) -> None:
        """Something has happened now."""
        self.marks.append((name, monotonic()))

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
        """An answer of our own goes to the client: no service said any of it."""
        decisions = Decisions()
        decisions.decide_all(lines, STATED)
        self.messages.append(Message("response", b"", b"HTTP/1.1 %d %b" % (status, reason), lines, decisions))

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
