"""How many lines a head lost, by reason: the same as the rules say that strip them."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.fields import Fields
from proxy.http1.message import NO_BODY, RequestHead, ResponseHead
from proxy.policy.decisions import Decisions, Outcome
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import RequestSemantics
from proxy.policy.request_fields import upstream_request_fields
from proxy.policy.response_fields import final_response_fields
from proxy.policy.stripped import (
    USUAL_OPTIONS,
    Stripped,
    loses_no_more_than_connection,
    loses_nothing,
    stripped_from_request,
    stripped_from_response,
)
from tests.property.strategies import TOKENS, VALUES
from tests.property.test_stripping import request, response

#: As of most traffic, and the names that end at a hop or say who the client is.
LINES = st.lists(
    st.tuples(
        TOKENS | st.sampled_from([
            b"Proxy", b"X-Real-IP", b"Forwarded", b"X-Forwarded-Port", b"X_Forwarded_For", b"SCRIPT_NAME", b"Path-Info",
            b"Proxy-Authorization", b"Proxy_Authorization", b"Content_Length", b"X_Real-IP", b"X-Forwarded_Any", b"Close", b"Keep-Alive", b"Max-Forwards", b"X-Request-Id",
        ]),
        VALUES,
    )
    | st.tuples(st.just(b"Connection"), st.sampled_from([b"", b"keep-alive", b"close", b"X-Foo, Via", b"keep-alive, te"])),
    max_size=8,
)  # fmt: skip
COUNTED = (Outcome.NOMINATED, Outcome.HOP_BY_HOP, Outcome.UNTRUSTED)


def counted(decisions: Decisions) -> Stripped:
    outcomes = [decision.outcome for decision in decisions]
    return Stripped(*(outcomes.count(outcome) for outcome in COUNTED))


def check_short_cuts(head: RequestHead | ResponseHead, found: Stripped) -> None:
    """Who looks at the index, and counts no lines where it has nothing, or only a usual `Connection`, is right."""
    if loses_nothing(head.known):
        assert found == (0, 0, 0)
    elif head.options in USUAL_OPTIONS and loses_no_more_than_connection(head.known):
        assert found == (0, len(head.known[b"connection"]), 0)


@given(LINES, st.booleans(), st.booleans())
def test_a_request_loses_what_the_rules_say(fields: Fields, trusted: bool, drop: bool) -> None:
    head, decisions = request([(name, value) for name, value in fields]), Decisions()
    settings = PlanSettings(pseudonym=b"onehop", drop_underscores=drop)
    semantics = RequestSemantics(b"h", b"h", NO_BODY, b"id")
    upstream_request_fields(head, ClientIdentity(b"192.0.2.1", trusted), semantics, settings, None, decisions)
    found = stripped_from_request(head, trusted, drop)
    assert found == counted(decisions)
    check_short_cuts(head, found)


@given(LINES)
def test_a_response_loses_what_the_rules_say(fields: Fields) -> None:
    head, decisions = response([(name, value) for name, value in fields]), Decisions()
    final_response_fields(head, PlanSettings(pseudonym=b"onehop"), NO_BODY, lambda: b"today", None, None, decisions)
    found = stripped_from_response(head)
    assert found == counted(decisions)
    check_short_cuts(head, found)
