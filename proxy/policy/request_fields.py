"""The fields of a request that goes upstream: strip first, then state (RFC 9110 §7.6).

Whatever this hop states is added after stripping, so no client can nominate it away.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from proxy.http1.field_names import Trait, names, spellings
from proxy.http1.fields import X_FORWARDED_NAMES, FieldLine, Fields, members, short_list
from proxy.http1.framing import framing_fields
from proxy.http1.message import CHUNKED, NO_BODY, RequestHead
from proxy.http1.section import Lines
from proxy.http1.target import IS_AUTHORITY
from proxy.policy.decisions import Decisions, Rule
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import (
    CLIENT_IDENTITY,
    IMPOSTORS,
    SERVICE_VARIABLES,
    STATED_ABOUT_CLIENT,
    ClientIdentity,
    forged_names,
    trusted_scheme,
)
from proxy.policy.loops import passes
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import RequestSemantics
from proxy.policy.stripping import (
    FORGED,
    IMPOSTOR,
    MADE_ANEW,
    OF_NO_TRACE,
    STATED,
    STATED_ANEW,
    VARIABLE,
    Removals,
    rules_by_name,
    strip,
    strip_arrived,
    without_underscores,
)
from proxy.policy.trailers import announcement

_NO_NAMES: Final[frozenset[bytes]] = frozenset()
_ABSENT: Final = (b"",)


_CERTIFICATE: Final = spellings((b"client-cert", b"client-cert-chain"))


def _removed(*, trusted: bool, counted: bool, certified: bool) -> Removals:
    """What this hop removes: what it states itself and, from an untrusted peer, what only a trusted one may send.
    `counted`: the request has a `Max-Forwards` that is stated anew, one lower. `certified`: the client has shown a
    certificate, so a received `Client-Cert` is about another connection."""
    rules = dict.fromkeys(IMPOSTORS, IMPOSTOR)
    if not trusted:
        rules |= dict.fromkeys(CLIENT_IDENTITY, FORGED) | dict.fromkeys(SERVICE_VARIABLES, VARIABLE)
    for name in STATED_ABOUT_CLIENT:
        rules.setdefault(name, STATED_ANEW)
    rules |= dict.fromkeys(names(Trait.FRAMING | Trait.AUTHORITY), MADE_ANEW)
    rules[b"expect"] = STATED_ANEW
    if counted:
        rules[b"max-forwards"] = STATED_ANEW
    if certified:
        rules |= dict.fromkeys(_CERTIFICATE, STATED_ANEW)
    return Removals(rules)


_REMOVED: Final = {
    (trusted, counted): _removed(trusted=trusted, counted=counted, certified=False)
    for trusted in (False, True)
    for counted in (False, True)
}
_REMOVED_OF_CERTIFIED: Final = {
    (trusted, counted): _removed(trusted=trusted, counted=counted, certified=True) for trusted, counted in _REMOVED
}


@cache
def _and_trace(removals: Removals, *, is_new: bool) -> Removals:
    """The same, and the received trace context, which this hop states anew. `tracestate` goes on unless the trace
    begins here."""
    rules = {b"traceparent": STATED_ANEW, **({b"tracestate": OF_NO_TRACE} if is_new else {})}
    return Removals({**removals.names, **rules})


def upstream_request_fields(
    head: RequestHead,
    client: ClientIdentity,
    semantics: RequestSemantics,
    settings: PlanSettings,
    rules: FieldRules | None = None,
    decisions: Decisions | None = None,
) -> tuple[Fields, Lines | None]:
    """The field lines of the request as it goes upstream; and those behind the first that the client sent, where their
    bytes are known."""
    # 1. Strip, before anything is added: else `Connection: Via, X-Forwarded-For` would strip what follows.
    trusted, known = client.trusted, head.known
    forged = _NO_NAMES if X_FORWARDED_NAMES not in known else forged_names(known, trusted=trusted)
    hops_left = semantics.max_forwards
    counted = hops_left is not None
    removed = (_REMOVED if not client.certificate else _REMOVED_OF_CERTIFIED)[trusted, counted]
    if semantics.traced is not None:
        removed = _and_trace(removed, is_new=semantics.traced.is_new)
    known_kept = None
    if decisions is None and rules is None and not forged and not settings.drop_underscores:
        known_kept = strip_arrived(head.fields, head.arrived, head.options, removed)
    if known_kept is not None:
        kept = known_kept.fields
    else:
        received = without_underscores(head.fields, decisions) if settings.drop_underscores else head.fields
        kept = strip(received, head.options, removed, forged, decisions)
        # 2. Apply the route's rules to what the client may say: what they put replaces it.
        if rules is not None:
            kept = rules.apply(kept, decisions)
    # 3. State what only this hop knows. Host goes first (RFC 9110 §7.2).
    lines = [(b"Host", semantics.host), *kept]
    chain, host, scheme = client.address, semantics.authority, client.scheme
    if trusted:
        chain, host, scheme = _extended(head, client, semantics)
    lines.append((b"X-Forwarded-For", chain))
    if host:  # a 1.0 client need not say it
        lines.append((b"X-Forwarded-Host", host))
    lines += (b"X-Forwarded-Proto", scheme), (b"X-Request-Id", semantics.request_id)
    if semantics.traced is not None and not (rules is not None and rules.owns(b"traceparent")):
        lines.append((b"traceparent", semantics.traced.traceparent))
    if client.certificate:
        lines.append((b"Client-Cert", client.certificate))
    if settings.state_forwarded:
        lines.append(_forwarded(client, semantics.authority))
    # One of the two in every request: without a mark of ours, a loop would never end.
    mark = settings.via(head.http_version) if settings.state_via else settings.cdn_loop
    if rules is not None and rules.owns(mark[0]):
        # The route removed what others said there. What this instance said stays: loops are counted by it.
        lines += [mark] * passes(known, settings.pseudonym)
    lines.append(mark)
    # 4. Delimit the body for the next hop.
    if semantics.framing is not NO_BODY:
        lines += framing_fields(semantics.framing)
    if semantics.expects_continue:
        lines.append((b"Expect", b"100-continue"))
    if hops_left is not None:
        lines.append((b"Max-Forwards", b"%d" % hops_left))
    # 5. What belongs to the next hop alone, nominated by us.
    if semantics.upgrade is not None:
        lines += (b"Connection", b"Upgrade"), (b"Upgrade", semantics.upgrade)
    if semantics.wants_trailers:
        lines += (b"Connection", b"TE"), (b"TE", b"trailers")
    if semantics.framing is CHUNKED:
        lines += announcement(head, rules, drop_underscores=settings.drop_underscores)
    if decisions is not None:
        decisions.decide_all((lines[0], *lines[1 + len(kept) :]), STATED)
    return lines, known_kept


def request_rules(head: RequestHead, *, trusted: bool) -> Mapping[bytes, Rule]:
    """The lower-case names of the lines that a request loses, each with its rule."""
    return rules_by_name(head.options, _REMOVED[trusted, False], forged_names(head.known, trusted=trusted))


def _extended(head: RequestHead, client: ClientIdentity, semantics: RequestSemantics) -> tuple[bytes, bytes, bytes]:
    """X-Forwarded-For, -Host and -Proto: what a trusted peer said, and what this hop adds to it.

    The chain of addresses goes on even where it is nominated: it is our statement then. What else is nominated ends
    here.
    """
    known = head.known
    before = known.get(b"x-forwarded-for", ())
    # A long chain goes on as its sender spelled it: splitting it would be work for nothing.
    chain = b", ".join([*(members(before) if short_list(before) else filter(None, before)), client.address])
    host = semantics.authority
    if b"x-forwarded-host" not in head.options:
        # As with the scheme: of a list, which several gateways make, the first is the client's. What is no host may
        # come from a client, and services make links of it.
        given = known.get(b"x-forwarded-host", _ABSENT)[0].partition(b",")[0].strip(b" \t")
        if given and IS_AUTHORITY[given]:
            host = given
    return chain, host, trusted_scheme(known, head.options) or client.scheme


def _forwarded(client: ClientIdentity, authority: bytes) -> FieldLine:
    """RFC 7239's `Forwarded`, of this hop alone."""
    node = b'"[%b]"' % client.address if b":" in client.address else client.address
    if node == b"unix":
        node = b"unknown"  # RFC 7239 §6.2: it has no address
    # An authority that passed `strictness` holds no quote and no backslash.
    host = b'host="%b";' % authority if authority else b""
    return (b"Forwarded", b"for=%b;%bproto=%b" % (node, host, client.scheme))
