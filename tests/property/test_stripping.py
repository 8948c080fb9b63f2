"""The promise: a hop-by-hop field never survives its hop, and what this hop states always does."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.fields import TOKEN, connection_options, index
from proxy.http1.framing import framing_fields
from proxy.http1.hop_by_hop import HOP_BY_HOP, strip
from proxy.http1.message import CHUNKED, NO_BODY, FixedLength, NoBody, RequestHead, ResponseHead
from proxy.policy.forwarding import (
    FORBIDDEN_TRAILERS,
    Hop,
    Intent,
    downstream_response,
    interim_response,
    switching_response,
    trailers,
    upstream_request,
)
from proxy.policy.routing import FieldRules
from tests.property.strategies import TOKENS, VALUES

CONNECTION_VALUES = st.lists(
    TOKENS | st.sampled_from([b"", b" ", b'"X-Foo"', b"X-Foo;q=1", b"X Foo", b"X-Request-Id", b"Forwarded"]),
    max_size=12,
).map(b" ,".join)
SPELLINGS = st.sampled_from([bytes.lower, bytes.upper, bytes.title])
FIELDS = st.lists(
    st.tuples(st.builds(lambda name, spell: spell(name), TOKENS, SPELLINGS), VALUES | CONNECTION_VALUES)
    | st.tuples(st.sampled_from([b"Connection", b"CONNECTION"]), CONNECTION_VALUES),
    max_size=12,
)
VERSIONS = st.sampled_from([b"1.0", b"1.1"])


def naive_names(fields):
    """Every name that must end here, read once more and otherwise."""
    nominated = set()
    for name, value in fields:
        if name.lower() == b"connection":
            nominated |= {part.strip(b" \t").lower() for part in value.split(b",")}
    return HOP_BY_HOP | {name for name in nominated if TOKEN.fullmatch(name)}


def request(fields, version=b"1.1"):
    known = index(fields)
    return RequestHead(b"GET", b"/", version, fields, known, connection_options(known))


def response(fields, version=b"1.1", status=200):
    known = index(fields)
    return ResponseHead(status, b"", version, fields, known, connection_options(known))


@given(FIELDS)
def test_nothing_hop_by_hop_or_nominated_survives_and_all_else_does(fields):
    ending_here = naive_names(fields)
    expected = [line for line in fields if line[0].lower() not in ending_here]
    assert strip(fields, request(fields).options) == expected


@given(FIELDS)
def test_stripping_twice_is_stripping_once(fields):
    options = request(fields).options
    once = strip(fields, options)
    assert strip(once, options) == once
    assert strip(once, request(once).options) == once


@given(FIELDS)
def test_the_verdicts_are_what_was_done(fields):
    verdicts = []
    kept = strip(fields, request(fields).options, frozenset({b"x-foo"}), verdicts)
    assert [verdict.line for verdict in verdicts] == fields
    assert [verdict.line for verdict in verdicts if verdict.outcome == "kept"] == kept


HOPS = st.builds(Hop, st.just(b"me"), st.just(b"9.9.9.9"), st.just(False), st.just(b"http"), st.booleans())
INTENTS = st.builds(
    Intent,
    authority=st.just(b"h"),
    host=st.just(b"h"),
    framing=st.sampled_from([NO_BODY, CHUNKED, FixedLength(0), FixedLength(5)]),
    request_id=st.just(b"id1"),
    expects_continue=st.booleans(),
    upgrade=st.sampled_from([None, b"websocket"]),
    wants_trailers=st.booleans(),
    max_forwards=st.none() | st.integers(0, 9),
)


def without_trailer(fields):
    return [line for line in fields if line[0] != b"Trailer"]


@given(FIELDS, HOPS, INTENTS, VERSIONS)
def test_no_client_can_nominate_away_what_this_hop_states(fields, hop, intent, version):
    [host, *stated] = upstream_request(request([], version), hop, intent)
    outgoing = without_trailer(upstream_request(request(fields, version), hop, intent))
    assert outgoing[0] == host
    assert outgoing[len(outgoing) - len(stated) :] == stated


@given(FIELDS, HOPS, INTENTS)
def test_no_client_can_nominate_away_what_the_route_puts(fields, hop, intent):
    put = ((b"X-Foo", b"ours"), (b"Cookie", b"ours"))
    outgoing = upstream_request(request(fields), hop, intent, FieldRules(put=put))
    assert [line for line in outgoing if line[0].lower() in (b"x-foo", b"cookie")] == list(put)


@given(FIELDS, HOPS, INTENTS)
def test_between_host_and_what_is_stated_nothing_hop_by_hop_is_left(fields, hop, intent):
    stated = upstream_request(request([]), hop, intent)
    kept = without_trailer(upstream_request(request(fields), hop, intent))[1 : 1 - len(stated)]
    assert not {name.lower() for name, _ in kept} & (naive_names(fields) | {b"host", b"content-length", b"expect"})
    assert [line for line in fields if line in kept] == kept, "order and duplicates of the rest"


@given(FIELDS, HOPS, INTENTS)
def test_framing_and_host_go_out_once(fields, hop, intent):
    names = [name.lower() for name, _ in upstream_request(request(fields), hop, intent)]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") == len(framing_fields(intent.framing))


@given(FIELDS, st.sampled_from([NO_BODY, NoBody(5), CHUNKED, FixedLength(5)]), st.sampled_from([None, b"close"]))
def test_no_upstream_can_nominate_away_what_is_stated_to_the_client(fields, framing, connection):
    hop = Hop(b"me", b"9.9.9.9")
    outgoing = downstream_response(response(fields), hop, framing, b"now", connection)
    stated = [(b"Via", b"1.1 me"), *framing_fields(framing), *([(b"Connection", connection)] if connection else [])]
    assert outgoing[len(outgoing) - len(stated) :] == stated
    kept = outgoing[: len(outgoing) - len(stated)]
    ending_here = naive_names(fields) | {b"content-length", b"transfer-encoding"}
    dates = [line for line in kept if line[0].lower() == b"date"]
    assert dates, "a response has a date"
    assert [line for line in kept if line != (b"Date", b"now")] == [
        line for line in fields if line[0].lower() not in ending_here
    ]


@given(FIELDS)
def test_nothing_hop_by_hop_survives_in_interim_responses_switches_and_trailers(fields):
    ending_here = naive_names(fields) | {b"content-length"}
    kept = [line for line in fields if line[0].lower() not in ending_here]
    assert interim_response(response(fields, status=103)) == kept
    ours = [(b"Via", b"1.1 me"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    assert switching_response(response(fields, status=101), Hop(b"me", b"9.9.9.9"), b"websocket") == kept + ours
    options = response(fields).options
    assert trailers(fields, options) == [line for line in kept if line[0].lower() not in FORBIDDEN_TRAILERS]
