"""How many field lines a head lost at this hop, by reason: derived from the head as it was received.

Stripping itself counts nothing, so that the hot path does not pay for it. Both use the same rules.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from proxy.http1.field_names import Trait, names
from proxy.http1.fields import X_FORWARDED_NAMES, Fields, connection_options
from proxy.http1.message import RequestHead, ResponseHead
from proxy.policy.decisions import Decisions, Outcome, Rule
from proxy.policy.forwarded import CLIENT_IDENTITY, IMPOSTORS, SERVICE_VARIABLES
from proxy.policy.request_fields import request_rules
from proxy.policy.response_fields import response_rules
from proxy.policy.stripping import HOP_BY_HOP, without_underscores
from proxy.policy.trailers import forwarded_trailers

#: A head whose index has none of these loses no line that is counted. `Connection` is one, so nothing is nominated.
#: What delimits a body is made anew, which is not counted.
STRIPPABLE: Final = (
    HOP_BY_HOP | CLIENT_IDENTITY | SERVICE_VARIABLES | IMPOSTORS | {X_FORWARDED_NAMES}
) - names(Trait.FRAMING)  # fmt: skip
#: Asked of an index: whether its head loses no line that is counted; and whether none but `Connection`.
loses_nothing: Final = STRIPPABLE.isdisjoint
loses_no_more_than_connection: Final = (STRIPPABLE - {b"connection"} | {b"close"}).isdisjoint
#: What most heads that have a `Connection` say in it, which nominates none but these names: the very objects that
#: reading it yields, mostly.
USUAL_OPTIONS: Final = tuple(connection_options({b"connection": [option]}) for option in (b"keep-alive", b"close"))


class Stripped(NamedTuple):
    """Lines, by the reasons that end them."""

    nominated: int = 0
    hop_by_hop: int = 0
    untrusted: int = 0


def stripped_from_request(head: RequestHead, trusted: bool, drop_underscores: bool) -> Stripped:
    """What a forwarded request lost. `trusted` is its peer; `drop_underscores` is the setting."""
    lines = without_underscores(head.fields) if drop_underscores else head.fields
    return _count(lines, request_rules(head, trusted=trusted))


def stripped_from_response(head: ResponseHead) -> Stripped:
    """What a forwarded response lost."""
    return _count(head.fields, response_rules(head))


def stripped_from_trailers(lines: Fields, options: frozenset[bytes]) -> Stripped:
    """What a trailer section lost. `options` are those of its message's `Connection`. Fields that are not allowed in
    trailers are not counted."""
    decisions = Decisions()  # by the function that strips them: they are so rare that no short cut is needed
    forwarded_trailers(lines, options, decisions=decisions)
    return _by_reason([decision.outcome for decision in decisions])


def _count(lines: Fields, rules: Mapping[bytes, Rule]) -> Stripped:
    removed = [rule.outcome for name, _ in lines if (rule := rules.get(name.lower())) is not None]
    return _by_reason(removed)


def _by_reason(outcomes: list[Outcome]) -> Stripped:
    return Stripped(*map(outcomes.count, (Outcome.NOMINATED, Outcome.HOP_BY_HOP, Outcome.UNTRUSTED)))
