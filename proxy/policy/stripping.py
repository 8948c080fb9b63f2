"""Which field lines must not leave the connection they arrived on (RFC 9110 §7.6.1).

Only removes. What the next hop needs instead is stated afterwards (`request_fields`, `response_fields`): so nothing
that this proxy states can be nominated away. The same function serves requests, 1xx responses, the 101, final
responses and trailers, in both directions.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from proxy.http1.field_names import Trait, names
from proxy.http1.fields import INDEXED, Arrived, Fields
from proxy.http1.remembered import MOST_KEY_BYTES, Remembered
from proxy.http1.section import Lines, SharedSection
from proxy.policy.decisions import Decisions, Outcome, Rule

HOP_BY_HOP: Final = names(Trait.HOP_BY_HOP)

END_TO_END: Final = Rule(Outcome.KEPT, "end-to-end")
CONNECTION_ITSELF: Final = Rule(Outcome.HOP_BY_HOP, "Connection itself belongs to one hop (RFC 9110 §7.6.1)")
NOMINATED: Final = Rule(Outcome.NOMINATED, "nominated by Connection (RFC 9110 §7.6.1)")
BY_DEFINITION: Final = Rule(Outcome.HOP_BY_HOP, "hop-by-hop by definition (RFC 9110 §7.6.1)")
#: Framing and the authority are read before stripping and stated anew after it, whatever `Connection` nominates.
MADE_ANEW: Final = Rule(Outcome.REPLACED, "rewritten for the next hop, nominated or not (RFC 9112 §3.2, §6)")
STATED_ANEW: Final = Rule(Outcome.REPLACED, "stated anew by this hop")
OF_NO_TRACE: Final = Rule(Outcome.REPLACED, "belongs to another trace: a new one begins here")
STATED: Final = Rule(Outcome.SET, "stated by this hop")
FORGED: Final = Rule(
    Outcome.UNTRUSTED, "says who the client is, from a peer that is not trusted, or in another spelling"
)

VARIABLE: Final = Rule(
    Outcome.UNTRUSTED, "a service may take it for a variable of its own (CGI, WSGI): only a trusted peer may set it"
)
IMPOSTOR: Final = Rule(
    Outcome.UNTRUSTED, "a service may take it for a field that ends here, or for a variable of its own (CGI, WSGI)"
)
UNDERSCORE: Final = Rule(Outcome.UNDERSCORE, "its name has an underscore, and underscore_names is drop")

_NO_NAMES: Final[frozenset[bytes]] = frozenset()
#: The options of `Connection` in nearly every message.
_USUAL_OPTIONS: Final = (_NO_NAMES, frozenset({b"keep-alive"}), frozenset({b"close"}))


class Removals:
    """What this hop removes besides, for one kind of message: lower-case names, each with its rule."""

    __slots__ = ("goes_on", "is_indexed", "names")

    def __init__(self, names: Mapping[bytes, Rule]) -> None:
        self.names = names
        #: Whether, by the usual options, all that is removed is in the index of a head.
        self.is_indexed = INDEXED.issuperset(names)
        #: Whether a line with a name, as spelled, goes on: by the usual options of `Connection`.
        self.goes_on = {
            options: _goes_on(_rules_by_name.__wrapped__(options, self, _NO_NAMES)) for options in _USUAL_OPTIONS
        }


def _goes_on(rules: Mapping[bytes, Rule]) -> Remembered[bool]:
    return Remembered(lambda name: name.lower() not in rules, 512)


@lru_cache(maxsize=512)  # by the words of Connection, of which real traffic uses a handful
def _rules_by_name(
    connection_options: frozenset[bytes], also: Removals, forged: frozenset[bytes]
) -> Mapping[bytes, Rule]:
    rules = dict.fromkeys(forged, FORGED)
    rules.update(also.names)
    rules.update(dict.fromkeys(HOP_BY_HOP, BY_DEFINITION))
    rules.update(dict.fromkeys(connection_options, NOMINATED))
    rules.update(entry for entry in also.names.items() if entry[1] is MADE_ANEW)
    rules[b"connection"] = CONNECTION_ITSELF
    return rules


_NOTHING: Final = Removals({})


def strip(
    lines: Fields,
    connection_options: frozenset[bytes],
    also: Removals = _NOTHING,
    forged: frozenset[bytes] = _NO_NAMES,
    decisions: Decisions | None = None,
) -> Fields:
    """Return the lines that may go on, in order.

    `also` is what this hop removes besides, `forged` the lower-case names that this peer may not send.
    """
    if decisions is None and not forged and (goes_on := also.goes_on.get(connection_options)) is not None:
        return [line for line in lines if goes_on[line[0]]]
    rules = rules_by_name(connection_options, also, forged)
    if decisions is None:
        return [line for line in lines if line[0].lower() not in rules]
    kept: Fields = []
    for line in decisions.distinct(lines):
        rule = rules.get(line[0].lower(), END_TO_END)
        decisions.decide(line, rule)
        if rule is END_TO_END:
            kept.append(line)
    return kept


def strip_arrived(
    lines: Fields, arrived: Arrived | None, connection_options: frozenset[bytes], also: Removals
) -> Lines | None:
    """The same at less cost for a head of which more is known, or None where it does not suffice: all that is removed
    has to be in the head's index, so that no other line needs a look."""
    goes_on = also.goes_on.get(connection_options)
    if arrived is None or goes_on is None or not also.is_indexed:
        return None
    kept, texts = lines.copy(), arrived.texts.copy()
    for place in reversed(arrived.indexed):
        if not goes_on[lines[place][0]]:
            del kept[place]
            del texts[place]
    texts.append(b"")
    return Lines(kept, b"\n".join(texts))


def strip_shared(section: SharedSection, also: Removals) -> Lines:
    """The same for a section that messages share: found out once."""
    kept = section.forwarded.get(also)
    if kept is None:
        kept = section.forwarded[also] = Lines(strip(section.fields, section.options, also))
    return kept


def rules_by_name(
    connection_options: frozenset[bytes], also: Removals = _NOTHING, forged: frozenset[bytes] = _NO_NAMES
) -> Mapping[bytes, Rule]:
    """The lower-case names that end here, each with the rule that ends it. Where several rules name a
    field, the one that `_rules_by_name` applies last wins.

    `close` and `keep-alive` are options that share this name space, so fields of those names go as well.
    """
    if connection_options or forged:
        said = sum(map(len, connection_options)) + sum(map(len, forged))
        if said > MOST_KEY_BYTES:
            return _rules_by_name.__wrapped__(connection_options, also, forged)
    return _rules_by_name(connection_options, also, forged)


def without_underscores(lines: Fields, decisions: Decisions | None = None) -> Fields:
    """Return the lines whose names have no `_`: services that read names as CGI does take it for `-`."""
    if decisions is not None:
        lines = decisions.distinct(lines)
        for line in lines:
            decisions.decide(line, UNDERSCORE if b"_" in line[0] else END_TO_END)
    return [line for line in lines if b"_" not in line[0]]
