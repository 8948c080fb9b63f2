"""Which trailer fields go on, in either direction (RFC 9110 §6.5)."""

from typing import Final

from proxy.http1.field_names import Trait, names
from proxy.http1.fields import FieldLine, Fields, is_x_forwarded, short_list, tokens
from proxy.http1.message import RequestHead, ResponseHead
from proxy.policy.decisions import Decisions, Outcome, Rule
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import CLIENT_IDENTITY, IMPOSTORS, SERVICE_VARIABLES, STATED_ABOUT_CLIENT
from proxy.policy.stripping import Removals, strip, without_underscores

#: Fields not allowed in trailers (RFC 9110 §6.5.1): framing, routing, authentication, cookies, client identity.
FORBIDDEN_TRAILERS: Final = (
    CLIENT_IDENTITY | STATED_ABOUT_CLIENT | SERVICE_VARIABLES | IMPOSTORS | names(Trait.NOT_IN_TRAILERS)
)

_FORBIDDEN: Final = Rule(Outcome.FORBIDDEN_TRAILER, "not allowed in a trailer section (RFC 9110 §6.5.1)")
_REMOVED: Final = Removals(dict.fromkeys(FORBIDDEN_TRAILERS, _FORBIDDEN))


def forwarded_trailers(
    lines: Fields,
    connection_options: frozenset[bytes],
    rules: FieldRules | None = None,
    decisions: Decisions | None = None,
    *,
    drop_underscores: bool = False,
) -> Fields:
    """The trailer fields that may go on. `connection_options` are those of the head, `rules` the route's: what it puts
    or removes in a head, no trailer may bring in again. `drop_underscores` is for requests, where configured."""
    if drop_underscores:
        lines = without_underscores(lines, decisions)
    forged = frozenset(filter(is_x_forwarded, map(_lower_name, lines)))
    kept = strip(lines, connection_options, _REMOVED, forged, decisions)
    return kept if rules is None else rules.trailers(kept, decisions)


def announcement(
    head: RequestHead | ResponseHead, rules: FieldRules | None, *, drop_underscores: bool = False
) -> Fields:
    """`Trailer` of a chunked message, made anew: only for those that would be forwarded. One of more than a kilobyte is
    left out: it only announces."""
    values = head.known.get(b"trailer")
    if values is None:
        return []
    names: Fields = [(name, b"") for name in dict.fromkeys(tokens(short_list(values)))]
    going_on = forwarded_trailers(names, head.options, rules, drop_underscores=drop_underscores)
    announced = b", ".join(name for name, _ in going_on)
    return [(b"Trailer", announced)] if announced else []


def _lower_name(line: FieldLine) -> bytes:
    return line[0].lower()
