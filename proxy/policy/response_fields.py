"""The fields of a response that goes to the client: strip first, then state (RFC 9110 §7.6).

Whatever this hop states is added after stripping, so no upstream can nominate it away.
"""

from collections.abc import Callable, Container, Mapping
from typing import Final

from proxy.http1.field_names import Trait, names
from proxy.http1.fields import Fields, protocols
from proxy.http1.framing import framing_fields
from proxy.http1.message import CHUNKED, BodyFraming, FixedLength, ResponseHead
from proxy.http1.section import NO_LINES, Outgoing, outgoing
from proxy.policy.decisions import Decisions, Rule
from proxy.policy.field_rules import FieldRules
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.rewriting import WayBack
from proxy.policy.stripping import MADE_ANEW, STATED, Removals, rules_by_name, strip, strip_arrived, strip_shared
from proxy.policy.trailers import announcement

_REMOVED: Final = Removals(dict.fromkeys(names(Trait.FRAMING), MADE_ANEW))
_NO_NAMES: Final[frozenset[bytes]] = frozenset()


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
    kept = NO_LINES
    lines: Fields = []
    shared = head.shared
    states_date = b"date" not in head.known or b"date" in head.options
    # Whether the section, which has the length, and the settings alone decide what is sent.
    is_same = False
    is_only_stripped = decisions is None and way_back is None and rules is None
    if is_only_stripped and shared is not None:
        is_same = (
            connection is None
            and isinstance(framing, FixedLength)
            and head.http_version == b"1.1"
            and head.status != 426
            and not states_date
        )
        if is_same and (found := shared.outgoing.get(settings)) is not None:
            return found
        kept = strip_shared(shared, _REMOVED)
    elif is_only_stripped and (arrived := strip_arrived(head.fields, head.arrived, head.options, _REMOVED)) is not None:
        kept = arrived
    else:
        lines = strip(head.fields, head.options, _REMOVED, _NO_NAMES, decisions)
    if way_back is not None:
        lines = way_back.fields(lines, decisions)
    if rules is not None:
        lines = rules.apply(lines, decisions)
    stated_from = len(lines)
    if states_date:
        lines.append((b"Date", date()))
    lines.append(settings.via(head.http_version))
    lines += framing_fields(framing)
    if with_trailers and framing is CHUNKED:
        lines += announcement(head, rules)
    if connection is not None:
        lines.append((b"Connection", connection))
    if head.status == 426:
        lines += _required_upgrade(head, settings.upgrades if upgrades is None else upgrades)
    if decisions is not None:
        decisions.decide_all(lines[stated_from:], STATED)
    made = Outgoing(kept, lines)
    if is_same and shared is not None:
        shared.outgoing[settings] = made
    return made


def response_rules(head: ResponseHead) -> Mapping[bytes, Rule]:
    """The lower-case names of the lines that a response loses, each with its rule."""
    return rules_by_name(head.options, _REMOVED)


def interim_response_fields(head: ResponseHead, decisions: Decisions | None = None) -> Outgoing:
    """The field lines of a 1xx as it goes to the client: only stripped, so that a 103 stays what the upstream meant."""
    return outgoing(strip(head.fields, head.options, _REMOVED, _NO_NAMES, decisions))


def switching_response_fields(
    head: ResponseHead, settings: PlanSettings, protocol: bytes, decisions: Decisions | None = None
) -> Outgoing:
    """The field lines of the 101 as it goes to the client: one canonical Connection, of our own."""
    lines = strip(head.fields, head.options, _REMOVED, _NO_NAMES, decisions)
    stated: Fields = [settings.via(head.http_version), (b"Connection", b"Upgrade"), (b"Upgrade", protocol)]
    if decisions is not None:
        decisions.decide_all(stated, STATED)
    return outgoing(lines + stated)


def is_switch_to(head: ResponseHead, asked: Container[bytes]) -> bool:
    """Whether a 101 switches to one protocol (RFC 9110 §7.8), and that is one of those asked for, in lower case."""
    offered = protocols(head.known.get(b"upgrade", ()))
    return b"upgrade" in head.options and len(offered) == 1 and offered[0] in asked


def _required_upgrade(head: ResponseHead, upgrades: Mapping[bytes, bytes]) -> Fields:
    """What a 426 asks the client to switch to: it has to name a protocol (RFC 9110 §15.5.22). The upstream's own field
    ended here, as every Upgrade does."""
    asked = [upgrades[name] for name in protocols(head.known.get(b"upgrade", ())) if name in upgrades]
    return [(b"Connection", b"Upgrade"), (b"Upgrade", b", ".join(asked))] if asked else []
