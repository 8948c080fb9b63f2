"""The promise: a hop-by-hop field never survives its hop, and what this hop states always does."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.http1 import writer
from proxy.http1.fields import TOKEN, Fields
from proxy.http1.framing import framing_fields
from proxy.http1.message import CHUNKED, NO_BODY, BodyFraming, FixedLength, NoBody, RequestHead, ResponseHead
from proxy.http1.section import SharedSection, section
from proxy.policy.decisions import Decisions, Outcome
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import RequestSemantics
from proxy.policy.request_fields import upstream_request_fields
from proxy.policy.response_fields import final_response_fields, interim_response_fields, switching_response_fields
from proxy.policy.stripping import HOP_BY_HOP, STATED_ANEW, Removals, strip
from proxy.policy.trailers import FORBIDDEN_TRAILERS, forwarded_trailers
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


def naive_names(fields: Fields) -> frozenset[bytes]:
    """Every name that must end here, read once more and otherwise."""
    nominated = set()
    for name, value in fields:
        if name.lower() == b"connection":
            nominated |= {part.strip(b" \t").lower() for part in value.split(b",")}
    return HOP_BY_HOP | {name for name in nominated if TOKEN.fullmatch(name)}


def request(fields: Fields, version: bytes = b"1.1") -> RequestHead:
    return RequestHead(b"GET", b"/", version, *section(fields))


def response(fields: Fields, version: bytes = b"1.1", status: int = 200) -> ResponseHead:
    return ResponseHead(status, b"", version, *section(fields))


@given(FIELDS)
def test_nothing_hop_by_hop_or_nominated_survives_and_all_else_does(fields: Fields) -> None:
    ending_here = naive_names(fields)
    expected = [line for line in fields if line[0].lower() not in ending_here]
    assert strip(fields, request(fields).options) == expected


@given(FIELDS)
def test_stripping_twice_is_stripping_once(fields: Fields) -> None:
    options = request(fields).options
    once = strip(fields, options)
    assert strip(once, options) == once
    assert strip(once, request(once).options) == once


@given(FIELDS)
def test_the_decisions_are_what_was_done(fields: Fields) -> None:
    decisions = Decisions()
    options, also = request(fields).options, Removals({b"x-foo": STATED_ANEW})
    kept = strip(fields, options, also, decisions=decisions)
    assert kept == strip(fields, options, also), "recording changes nothing"
    assert [decision.line for decision in decisions] == fields
    assert [decision.line for decision in decisions if decision.outcome is Outcome.KEPT] == kept


CLIENT = ClientIdentity(b"9.9.9.9")
SETTINGS = st.builds(PlanSettings, pseudonym=st.just(b"me"), state_forwarded=st.booleans())
SEMANTICS = st.builds(
    RequestSemantics,
    authority=st.just(b"h"),
    host=st.just(b"h"),
    framing=st.sampled_from([NO_BODY, CHUNKED, FixedLength(0), FixedLength(5)]),
    request_id=st.just(b"id1"),
    expects_continue=st.booleans(),
    upgrade=st.sampled_from([None, b"websocket"]),
    wants_trailers=st.booleans(),
    max_forwards=st.none() | st.integers(0, 9),
)


def without_trailer(fields: Fields) -> Fields:
    return [line for line in fields if line[0] != b"Trailer"]


@given(FIELDS, SETTINGS, SEMANTICS, VERSIONS)
def test_no_client_can_nominate_away_what_this_hop_states(
    fields: Fields, settings: PlanSettings, semantics: RequestSemantics, version: bytes
) -> None:
    [host, *stated] = upstream_request_fields(request([], version), CLIENT, semantics, settings)[0]
    outgoing = without_trailer(upstream_request_fields(request(fields, version), CLIENT, semantics, settings)[0])
    assert outgoing[0] == host
    assert outgoing[len(outgoing) - len(stated) :] == stated


@given(FIELDS, SETTINGS, SEMANTICS)
def test_no_client_can_nominate_away_what_the_route_puts(
    fields: Fields, settings: PlanSettings, semantics: RequestSemantics
) -> None:
    put = ((b"X-Foo", b"ours"), (b"Cookie", b"ours"))
    outgoing = upstream_request_fields(request(fields), CLIENT, semantics, settings, FieldRules(put=put))[0]
    assert [line for line in outgoing if line[0].lower() in (b"x-foo", b"cookie")] == list(put)


@given(FIELDS, SETTINGS, SEMANTICS)
def test_between_host_and_what_is_stated_nothing_hop_by_hop_is_left(
    fields: Fields, settings: PlanSettings, semantics: RequestSemantics
) -> None:
    stated = upstream_request_fields(request([]), CLIENT, semantics, settings)[0]
    kept = without_trailer(upstream_request_fields(request(fields), CLIENT, semantics, settings)[0])[
        1 : 1 - len(stated)
    ]
    assert not {name.lower() for name, _ in kept} & (naive_names(fields) | {b"host", b"content-length", b"expect"})
    assert [line for line in fields if line in kept] == kept, "order and duplicates of the rest"


@given(FIELDS, SETTINGS, SEMANTICS)
def test_framing_and_host_go_out_once(fields: Fields, settings: PlanSettings, semantics: RequestSemantics) -> None:
    names = [name.lower() for name, _ in upstream_request_fields(request(fields), CLIENT, semantics, settings)[0]]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") == len(framing_fields(semantics.framing))


@given(FIELDS, st.sampled_from([NO_BODY, NoBody(5), CHUNKED, FixedLength(5)]), st.sampled_from([None, b"close"]))
def test_no_upstream_can_nominate_away_what_is_stated_to_the_client(
    fields: Fields, framing: BodyFraming, connection: bytes | None
) -> None:
    settings = PlanSettings(pseudonym=b"me")
    outgoing = final_response_fields(response(fields), settings, framing, lambda: b"now", connection).lines()
    stated = [(b"Via", b"1.1 me"), *framing_fields(framing), *([(b"Connection", connection)] if connection else [])]
    assert outgoing[len(outgoing) - len(stated) :] == stated
    kept = outgoing[: len(outgoing) - len(stated)]
    ending_here = naive_names(fields) | {b"content-length", b"transfer-encoding"}
    dates = [line for line in kept if line[0].lower() == b"date"]
    assert dates, "a response has a date"
    assert [line for line in kept if line != (b"Date", b"now")] == [
        line for line in fields if line[0].lower() not in ending_here
    ]


@given(FIELDS, st.sampled_from([NO_BODY, CHUNKED, FixedLength(5)]), st.sampled_from([None, b"close"]))
def test_responses_that_share_a_section_are_as_those_that_do_not(
    fields: Fields, framing: BodyFraming, connection: bytes | None
) -> None:
    settings, lines = PlanSettings(pseudonym=b"me"), section(fields)
    shared = ResponseHead(200, b"", b"1.1", *lines, SharedSection(*lines))

    def written(head: ResponseHead) -> bytes:
        final = final_response_fields(head, settings, framing, lambda: b"now", connection)
        switching = switching_response_fields(head, settings, b"websocket")
        return b"".join(
            writer.response_head(200, b"", each) for each in (final, switching, interim_response_fields(head))
        )

    first = written(shared)
    assert first == written(shared) == written(response(fields))
    assert shared.fields == fields


@given(FIELDS)
def test_nothing_hop_by_hop_survives_in_interim_responses_switches_and_trailers(fields: Fields) -> None:
    ending_here = naive_names(fields) | {b"content-length"}
    kept = [line for line in fields if line[0].lower() not in ending_here]
    assert interim_response_fields(response(fields, status=103)).lines() == kept
    ours = [(b"Via", b"1.1 me"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    switching = switching_response_fields(response(fields, status=101), PlanSettings(pseudonym=b"me"), b"websocket")
    assert switching.lines() == kept + ours
    options = response(fields).options
    assert forwarded_trailers(fields, options) == [line for line in kept if line[0].lower() not in FORBIDDEN_TRAILERS]
