"""The decisions about a request, for clients that may see them: which clients, and in which fields of the response.

`Onehop-Decisions` is a list (RFC 9651) with one member a line: a message, then what was decided about each
of its field lines. Values of secrets are masked. Members that do not fit are left out and counted.
"""

import re
from collections.abc import Iterable, Iterator
from hmac import compare_digest
from typing import Final, NamedTuple

import msgspec

from proxy.http1.fields import FieldLine, Fields
from proxy.http1.masking import shown_value
from proxy.policy.decisions import Decisions, Outcome
from proxy.policy.forwarded import Network, is_trusted

FIELD: Final = b"Onehop-Decisions"
SERVER_TIMING: Final = b"Server-Timing"
_MOST_TEXT: Final = 160  # characters of a string
_OUTSIDE: Final = re.compile(rb"[^ -~]+")
_TO_ESCAPE: Final = re.compile(rb'(["\\])')
_LINE_BYTES: Final = len(FIELD) + 4  # besides its value


class ExplainedMessage(NamedTuple):
    """A message to be explained: facts about it, as pairs of key and text, and the decisions about its lines."""

    kind: bytes
    facts: Iterable[tuple[bytes, bytes]]
    decisions: Decisions


class Explaining(msgspec.Struct, frozen=True):
    """Which requests are explained, and in how many bytes."""

    header: bytes  # in lower case
    secret: bytes
    networks: tuple[Network, ...]
    server_timing: bool
    field_bytes: int

    def is_asked(self, fields: Iterable[FieldLine], client: str) -> bool:
        """Whether a request is to be explained: it has the secret, and comes from one of the networks."""
        for name, value in fields:
            # Constant time: else the time of a refusal would tell how much of a guess is right.
            if name.lower() == self.header and compare_digest(value, self.secret):
                return is_trusted(client, self.networks)
        return False

    def stated(self, messages: Iterable[ExplainedMessage], timings_ms: Iterable[tuple[bytes, float]]) -> Fields:
        """The field lines for its response."""
        members = list(_members(messages))
        lines: Fields = [(FIELD, member) for member in _within(members, self.field_bytes)]
        if self.server_timing:
            timings = b", ".join(b"%b;dur=%.3f" % timing for timing in timings_ms)
            lines.append((SERVER_TIMING, timings))
        return lines


def _members(messages: Iterable[ExplainedMessage]) -> Iterator[tuple[bytes, bool]]:
    """Each member, and whether it may be left out first."""
    for kind, facts, decisions in messages:
        yield kind + b"".join(b";%b=%b" % (key, _string(text)) for key, text in facts if text), False
        for (name, value), outcome, rule in decisions:
            shown = b"%b: %b" % (name, shown_value((name, value)).encode("latin-1"))
            parameters = b";field=%b;rule=%b" % (_string(shown), _string(rule.replace("§", "section ").encode()))
            yield outcome.verdict.encode() + parameters, outcome is Outcome.KEPT


def _within(members: list[tuple[bytes, bool]], most_bytes: int) -> list[bytes]:
    said = sum(len(member) + _LINE_BYTES for member, _ in members)
    if said <= most_bytes:
        return [member for member, _ in members]
    said += len(b"left_out;lines=1000000") + _LINE_BYTES
    left_out: set[int] = set()
    for kept_first in (True, False):
        for place in range(len(members) - 1, 0, -1):  # the request's own member stays
            if said <= most_bytes:
                break
            if place not in left_out and members[place][1] is kept_first:
                left_out.add(place)
                said -= len(members[place][0]) + _LINE_BYTES
    chosen = [member for place, (member, _) in enumerate(members) if place not in left_out]
    return [*chosen, b"left_out;lines=%d" % len(left_out)]


def _string(text: bytes) -> bytes:
    """A String of RFC 9651 §3.3.3, which has only visible ASCII."""
    text = _OUTSIDE.sub(b"?", text)
    if len(text) > _MOST_TEXT:
        text = text[:_MOST_TEXT] + b"..."
    return b'"%b"' % _TO_ESCAPE.sub(rb"\\\1", text)
