"""What was decided about each field line of a request, and recorded where it was."""

from proxy.policy.decisions import Decisions, Outcome, Rule
from tests.harness.notation import recorded, request
from tests.unit.policy.test_request_fields import OURS, RULES, SEMANTICS, TRUSTED, UNTRUSTED, sent


def test_the_decisions_about_a_request_tell_every_line() -> None:
    head = request(
        "GET / HTTP/1.1|Host: h|Connection: close, X-Foo|X-Foo: 1|TE: trailers|X-Forwarded-For: 6|X-Request-Id: 6"
        "|Cookie: c|x-auth-user: root|Accept: */*"
    )
    decisions = Decisions()
    told = sent(head, UNTRUSTED, SEMANTICS, RULES, decisions)
    assert told == sent(head, UNTRUSTED, SEMANTICS, RULES), "telling changes nothing"
    assert recorded(decisions) == [
        ("Host: h", "replaced"),
        ("Connection: close, X-Foo", "stripped"),
        ("X-Foo: 1", "stripped"),
        ("TE: trailers", "stripped"),
        ("X-Forwarded-For: 6", "untrusted"),
        ("X-Request-Id: 6", "replaced"),
        ("Cookie: c", "stripped"),
        ("x-auth-user: root", "replaced"),
        ("Accept: */*", "kept"),
        ("X-Auth-User: a", "set"),
        ("Host: h", "set"),
        *((line, "set") for line in OURS.split("|")),
    ]


def test_every_line_that_goes_out_was_kept_or_set() -> None:
    head = request("GET / HTTP/1.1|Host: h|A: 1|Connection: B|B: 2|A: 1|x-auth-user: root")
    decisions = Decisions()
    told = sent(head, UNTRUSTED, SEMANTICS, RULES, decisions)
    going_on = [decision.line for decision in decisions if decision.outcome in (Outcome.KEPT, Outcome.SET)]
    assert sorted(going_on) == sorted(told)


def test_what_the_route_puts_is_said_to_replace_an_equal_value() -> None:
    decisions = Decisions()
    sent(request("GET / HTTP/1.1|Host: h|X-Auth-User: a"), UNTRUSTED, SEMANTICS, RULES, decisions)
    assert recorded(decisions)[1:3] == [("X-Auth-User: a", "replaced"), ("X-Auth-User: a", "set")]


def test_a_trusted_peers_word_is_replaced_and_not_called_a_forgery() -> None:
    decisions = Decisions()
    head = request("GET / HTTP/1.1|Host: h|X-Forwarded-For: 1.2.3.4")
    sent(head, TRUSTED, SEMANTICS, None, decisions)
    assert recorded(decisions)[1] == ("X-Forwarded-For: 1.2.3.4", "replaced")


def test_a_nominated_end_to_end_field_is_told_as_nominated() -> None:  # 8
    decisions = Decisions()
    sent(request("GET / HTTP/1.1|Host: h|Connection: close, Cookie|Cookie: a"), UNTRUSTED, SEMANTICS, None, decisions)
    assert "nominated" in list(decisions)[2].rule


def test_a_later_decision_about_a_line_takes_the_place_of_the_earlier_one() -> None:
    first, second = (b"A", b"1"), (b"A", bytes([49]))  # equal, and still two lines
    decisions = Decisions()
    decisions.decide(first, Rule(Outcome.KEPT, "one"))
    decisions.decide(second, Rule(Outcome.KEPT, "two"))
    decisions.decide(first, Rule(Outcome.REMOVED_BY_ROUTE, "three"))
    assert [(decision.outcome.verdict, decision.rule) for decision in decisions] == [
        ("stripped", "three"),
        ("kept", "two"),
    ]
