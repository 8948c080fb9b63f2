"""A head comes in, the fields for the next hop go out: strip first, then state (RFC 9110 §7.6).

Whatever this hop states is added after stripping, so no client and no upstream can nominate it away.
"""

from functools import lru_cache
from itertools import product
from typing import Final

import msgspec

from proxy.http1.fields import CLAIMS, FieldLine, Fields, is_claim, members, tokens
from proxy.http1.framing import framing_fields
from proxy.http1.hop_by_hop import Verdict, strip
from proxy.http1.message import CHUNKED, NO_BODY, BodyFraming, RequestHead, ResponseHead
from proxy.policy.request_plan import Intent
from proxy.policy.routing import FieldRules


def _spellings(*names: bytes) -> frozenset[bytes]:
    """Every mix of `-` and `_`: CGI, WSGI and PHP services read them all as one name."""
    return frozenset(
        b"".join(part + mark for part, mark in zip(parts, (*marks, b""), strict=True))
        for name in names
        for parts in [name.split(b"-")]
        for marks in product((b"-", b"_"), repeat=len(parts) - 1)
    )


#: What says who the client is. From an untrusted peer it is a forgery, whatever it says. And so is every other field
#: whose name begins like these: X-Forwarded-Port, -Prefix, -User, and what the next framework will call it.
FORWARDED: Final = _spellings(b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
_OURS: Final = _spellings(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-request-id")
_MADE_ANEW: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
_DROP_FROM_UNTRUSTED: Final = FORWARDED | _OURS | _MADE_ANEW
_DROP_FROM_TRUSTED: Final = _OURS | _MADE_ANEW
_MAX_FORWARDS: Final = frozenset({b"max-forwards"})
_DROP_FROM_RESPONSE: Final = frozenset({b"content-length", b"transfer-encoding"})
_NONE: Final[frozenset[bytes]] = frozenset()
_UNSAID: Final = (b"",)

#: What no trailer may say (RFC 9110 §6.5.1): framing, routing, authentication, cookies, and who the client is.
FORBIDDEN_TRAILERS: Final = FORWARDED | _OURS | frozenset({
    b"content-length", b"transfer-encoding", b"host", b"trailer", b"te", b"connection", b"via",
    b"authorization", b"www-authenticate", b"authentication-info", b"cookie", b"set-cookie",
    b"content-type", b"content-encoding", b"content-range", b"content-location",
    b"cache-control", b"pragma", b"expect", b"max-forwards", b"range", b"location", b"retry-after",
    b"age", b"date", b"expires", b"vary", b"warning",
    b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range",
})  # fmt: skip


class Hop(msgspec.Struct, frozen=True):
    """What this hop knows of a client's connection, and of itself."""

    pseudonym: bytes  # in Via: unique to this instance, so that a loop is seen (RFC 9110 §7.6.3)
    peer: bytes  # the address that the connection came from
    trusted: bool = False
    scheme: bytes = b"http"
    state_forwarded: bool = False  # also state RFC 7239 `Forwarded`


def upstream_request(
    head: RequestHead,
    hop: Hop,
    intent: Intent,
    rules: FieldRules | None = None,
    verdicts: list[Verdict] | None = None,
) -> Fields:
    """The fields of the request that goes upstream."""
    # 1. Strip, before anything is added: else `Connection: Via, X-Forwarded-For` would strip what follows.
    also = _DROP_FROM_TRUSTED
    if not hop.trusted:
        also = _DROP_FROM_UNTRUSTED
        if CLAIMS in head.known:
            also = also.union(head.known[CLAIMS])
    if intent.max_forwards is not None:
        also |= _MAX_FORWARDS
    kept = strip(head.fields, head.options, also, verdicts)
    # 2. The route's rules see what the client may say, and what they put wins over it.
    if rules is not None:
        kept = rules.apply(kept)
    # 3. State what only this hop knows. Host goes first (RFC 9110 §7.2).
    lines = [(b"Host", intent.host), *kept]
    lines += _client_fields(head, hop, intent)
    lines.append(_via(head.http_version, hop.pseudonym))
    # 4. Delimit the body for the next hop.
    if intent.framing is not NO_BODY:
        lines += framing_fields(intent.framing)
    if intent.expects_continue:
        lines.append((b"Expect", b"100-continue"))
    if intent.max_forwards is not None:
        lines.append((b"Max-Forwards", b"%d" % intent.max_forwards))
    # 5. What belongs to the next hop alone, nominated by us.
    if intent.upgrade is not None:
        lines += [(b"Connection", b"Upgrade"), (b"Upgrade", intent.upgrade)]
    if intent.wants_trailers:
        lines += [(b"Connection", b"TE"), (b"TE", b"trailers")]
    if intent.framing is CHUNKED:
        lines += _announced_trailers(head, rules)
    if verdicts is not None:
        _explain(verdicts, lines[:1], kept, lines[1 + len(kept) :], trusted=hop.trusted)
    return lines


def downstream_response(
    head: ResponseHead,
    hop: Hop,
    framing: BodyFraming,
    date: bytes,
    connection: bytes | None,
    rules: FieldRules | None = None,
    verdicts: list[Verdict] | None = None,
    *,
    with_trailers: bool = False,
    upgrades: frozenset[bytes] = _NONE,
) -> Fields:
    """The fields of the final response that goes to the client.

    `connection` is what we say of our own connection to it, `date` what time it is (RFC 9110 §6.6.1), `upgrades` what a
    426 may ask the client to switch to.
    """
    kept = strip(head.fields, head.options, _DROP_FROM_RESPONSE, verdicts)
    if rules is not None:
        kept = rules.apply(kept)
    lines = kept.copy() if verdicts is not None else kept
    if b"date" not in head.known or b"date" in head.options:
        lines.append((b"Date", date))
    lines.append(_via(head.http_version, hop.pseudonym))
    lines += framing_fields(framing)
    if with_trailers and framing is CHUNKED:
        lines += _announced_trailers(head, rules)
    if connection is not None:
        lines.append((b"Connection", connection))
    if head.status == 426:
        # It has to name a protocol (RFC 9110 §15.5.22). The upstream's own field ended here, as every Upgrade does.
        asked = [token for token in tokens(head.known.get(b"upgrade", ())) if token in upgrades]
        if asked:
            lines += [(b"Connection", b"Upgrade"), (b"Upgrade", b", ".join(asked))]
    if verdicts is not None:
        _explain(verdicts, [], kept, lines[len(kept) :], trusted=True)
    return lines


def interim_response(head: ResponseHead) -> Fields:
    """The fields of a 1xx that goes to the client: only stripped, so that a 103 stays what the upstream meant."""
    return strip(head.fields, head.options, _DROP_FROM_RESPONSE)


def switching_response(head: ResponseHead, hop: Hop, protocol: bytes) -> Fields:
    """The fields of the 101 that goes to the client: one canonical Connection, of our own."""
    lines = strip(head.fields, head.options, _DROP_FROM_RESPONSE)
    lines.append(_via(head.http_version, hop.pseudonym))
    return [*lines, (b"Connection", b"Upgrade"), (b"Upgrade", protocol)]


def trailers(lines: Fields, connection_options: frozenset[bytes], rules: FieldRules | None = None) -> Fields:
    """The trailer fields that may go on, in either direction. `connection_options` are those of the head, `rules` the
    route's: what it puts or removes in a head, no trailer may bring in again."""
    gone = FORBIDDEN_TRAILERS.union(filter(is_claim, map(_lower_name, lines)))
    kept = strip(lines, connection_options, gone)
    return kept if rules is None else rules.without_owned(kept)


def _lower_name(line: FieldLine) -> bytes:
    return line[0].lower()


def _client_fields(head: RequestHead, hop: Hop, intent: Intent) -> Fields:
    """Who the client is, as far as this hop knows or was told by a peer that it trusts."""
    chain, authority, scheme = hop.peer, intent.authority, hop.scheme
    if hop.trusted:
        told = head.known
        chain = b", ".join([*members(told.get(b"x-forwarded-for", ())), chain])
        # The chain of addresses is read before stripping, nominated or not; what else is nominated ends here.
        if b"x-forwarded-host" not in head.options:
            authority = told.get(b"x-forwarded-host", _UNSAID)[0] or authority
        if b"x-forwarded-proto" not in head.options:
            scheme = told.get(b"x-forwarded-proto", _UNSAID)[0] or scheme
    lines = [(b"X-Forwarded-For", chain)]
    if authority:  # a 1.0 client may keep silent about it
        lines.append((b"X-Forwarded-Host", authority))
    lines += [(b"X-Forwarded-Proto", scheme), (b"X-Request-Id", intent.request_id)]
    if hop.state_forwarded:
        node = b'"[%b]"' % hop.peer if b":" in hop.peer else hop.peer
        # An authority that passed `strictness` holds no quote and no backslash.
        host = b'host="%b";' % intent.authority if intent.authority else b""
        lines.append((b"Forwarded", b"for=%b;%bproto=%b" % (node, host, hop.scheme)))
    return lines


@lru_cache(maxsize=16)
def _via(http_version: bytes, pseudonym: bytes) -> FieldLine:
    """Our member of `Via`: it says the version that was received (RFC 9110 §7.6.3)."""
    return (b"Via", b"%b %b" % (http_version, pseudonym))


def _announced_trailers(head: RequestHead | ResponseHead, rules: FieldRules | None) -> Fields:
    """`Trailer` of a chunked message, made anew: only for those that would be forwarded."""
    values = head.known.get(b"trailer")
    if values is None:
        return []
    names = [(name, b"") for name in dict.fromkeys(tokens(values))]
    announced = b", ".join(name for name, _ in trailers(names, head.options, rules))
    return [(b"Trailer", announced)] if announced else []


def _explain(verdicts: list[Verdict], first: Fields, kept: Fields, stated: Fields, *, trusted: bool) -> None:
    """Complete the verdicts of stripping with what came after it."""
    surviving = set(kept)
    put = {line[0].lower() for line in kept}
    for position, (line, outcome, _) in enumerate(verdicts):
        name = line[0].lower()
        if outcome == "replaced" and not trusted and (name in FORWARDED or is_claim(name)):
            verdicts[position] = Verdict(line, "untrusted", "who the client is, said by a peer we do not trust")
        elif outcome == "kept" and line not in surviving:
            verdicts[position] = (
                Verdict(line, "replaced", "replaced by the route's rules")
                if name in put
                else Verdict(line, "stripped", "removed by the route's rules")
            )
    said = {verdict.line for verdict in verdicts if verdict.outcome == "kept"}
    verdicts += [Verdict(line, "set", "by the route's rules") for line in kept if line not in said]
    verdicts += [Verdict(line, "set", "stated by this hop") for line in (*first, *stated)]
