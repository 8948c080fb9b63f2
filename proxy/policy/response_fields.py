"""The fields of a response that goes to the client: strip first, then state (RFC 9110 §7.6).

Whatever this hop states is added after stripping, so no upstream can nominate it away.
"""

from collections.abc import Callable, Container, Mapping
from typing import Final

from proxy.http1.field_names import Trait, names
from proxy.http1.fields import Fields, protocols
from proxy.http1.framing import framing_fields
from proxy.http1.message import CHUNKED, BodyFraming, ResponseHead
from proxy.http1.section import Lines, Outgoing
from proxy.policy.decisions import Decisions, Rule
from proxy.policy.field_rules import FieldRules
from proxy.policy.loops import via
from proxy.policy.rewriting import WayBack
from proxy.policy.settings import PlanSettings
from proxy.policy.stripping import MADE_ANEW, STATED, Removals, rules_by_name, strip_section
from proxy.policy.trailers import announcement

_REMOVED: Final = Removals(dict.fromkeys(names(Trait.FRAMING), MADE_ANEW))


def final_response_fields(
    head: ResponseHead,
    settings: PlanSettings,
    framing: BodyFraming,
    date: Callable[[], bytes],
    connection: bytes | None,
    rules: FieldRules | None = None,
    decisions: Decisions | None = None,
    with_trailers: bool = False,
    upgrades: Mapping[bytes, bytes] | None = None,
    way_back: WayBack | None = None,
) -> Outgoing:
    """The field lines of the final response as it goes to the client.

    `connection` is what we say of our own connection to it, `date` tells what time it is (RFC 9110 §6.6.1), `upgrades`
    what the route lets a client switch to, where it has its own, `way_back` how it turns paths back.
    """
    kept = strip_section(head.section, _REMOVED, decisions)
    if way_back is not None:
        kept = Lines(way_back.fields(kept.fields, decisions))
    if rules is not None:
        kept = Lines(rules.apply(kept.fields, decisions))
    lines: Fields = []
    if b"date" not in head.known or b"date" in head.options:
        lines.append((b"Date", date()))
    lines.append(via(head.http_version, settings.pseudonym))
    lines += framing_fields(framing)
    if with_trailers and framing is CHUNKED:
        lines += announcement(head, rules)
    if connection is not None:
        lines.append((b"Connection", connection))
    if head.status == 426:
        lines += _required_upgrade(head, settings.upgrades if upgrades is None else upgrades)
    if decisions is not None:
        decisions.decide_all(lines, STATED)
    return Outgoing(kept, lines)


def response_rules(head: ResponseHead) -> Mapping[bytes, Rule]:
    """The lower-case names of the lines that a response loses, each with its rule."""
    return rules_by_name(head.options, _REMOVED)


def interim_response_fields(head: ResponseHead, decisions: Decisions | None = None) -> Outgoing:
    """The field lines of a 1xx as it goes to the client: only stripped, so that a 103 stays what the upstream meant."""
    return Outgoing(strip_section(head.section, _REMOVED, decisions), [])


def switching_response_fields(
    head: ResponseHead, settings: PlanSettings, protocol: bytes, decisions: Decisions | None = None
) -> Outgoing:
    """The field lines of the 101 as it goes to the client: one canonical Connection, of our own."""
    kept = strip_section(head.section, _REMOVED, decisions)
    stated: Fields = [via(head.http_version, settings.pseudonym), (b"Connection", b"Upgrade"), (b"Upgrade", protocol)]
    if decisions is not None:
        decisions.decide_all(stated, STATED)
    return Outgoing(kept, stated)


def is_switch_to(head: ResponseHead, asked: Container[bytes]) -> bool:
    """Whether a 101 switches to one protocol (RFC 9110 §7.8), and that is one of those asked for, in lower case."""
    offered = protocols(head.known.get(b"upgrade", ()))
    return b"upgrade" in head.options and len(offered) == 1 and offered[0] in asked


def _required_upgrade(head: ResponseHead, upgrades: Mapping[bytes, bytes]) -> Fields:
    """What a 426 asks the client to switch to: it has to name a protocol (RFC 9110 §15.5.22). The upstream's own field
    ended here, as every Upgrade does."""
    asked = [upgrades[name] for name in protocols(head.known.get(b"upgrade", ())) if name in upgrades]
    return [(b"Connection", b"Upgrade"), (b"Upgrade", b", ".join(asked))] if asked else []
