"""Stripping: the standard set, nominations, and the decisions about each line (RFC 9110 §7.6.1)."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.http1.fields import Fields, connection_options, index
from proxy.policy import stripping
from proxy.policy.decisions import Decisions, Outcome, Rule
from proxy.policy.request_fields import _REMOVED, _REMOVED_OF_CERTIFIED
from proxy.policy.stripping import FORGED, HOP_BY_HOP, MADE_ANEW, STATED_ANEW, Removals, rules_by_name, strip
from tests.harness.notation import lines, shown

#: Written out again, so that a name cannot vanish from the code unseen.
STANDARD_SET = [
    "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Authentication-Info", "HTTP2-Settings",
]  # fmt: skip


def test_the_standard_set_is_complete_and_nothing_more() -> None:
    assert {name.lower().encode() for name in STANDARD_SET} == HOP_BY_HOP


@pytest.mark.parametrize("name", STANDARD_SET)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper], ids=["as written", "lower", "upper"])
def test_a_standard_name_is_stripped_nominated_or_not(name: str, spelling: Callable[..., Any] | type[str]) -> None:
    fields: Fields = [(b"A", b"1"), (spelling(name).encode(), b"v"), (b"B", b"2")]
    assert strip(fields, frozenset()) == [(b"A", b"1"), (b"B", b"2")]
    assert strip(fields, frozenset({name.lower().encode()})) == [(b"A", b"1"), (b"B", b"2")]


STRIPPED = [
    # in                                                                         out
    # SEMANTICS 5.1: a nominated field goes, its neighbour stays
    ("Host: h|Connection: close, X-Foo|X-Foo: 1|X-Bar: 2",                       "Host: h|X-Bar: 2"),
    # 5.5 (CVE-2021-33197): an empty line first
    ("Connection:|Connection: X-Foo|X-Foo: 1|A: 1",                              "A: 1"),
    # 5.8: nominated end-to-end fields, beside `close`
    ("Connection: close, Cookie|Cookie: a=b|A: 1",                               "A: 1"),
    ("Connection: Cache-Control|Cache-Control: no-store|A: 1",                   "A: 1"),
    # 5.10: the whole standard set, not nominated
    ("|".join(f"{name}: v" for name in STANDARD_SET),                            ""),
    # 5.13: nominated beside an upgrade
    ("Connection: Upgrade, X-Internal-Auth|Upgrade: websocket|X-Internal-Auth: 1", ""),
    # 5.15: in a response, beside `close`
    ("Connection: close, Set-Cookie, X-Foo|Set-Cookie: a|Set-Cookie: b|X-Foo: 1|ETag: x", "ETag: x"),
    # a name is compared whole and without case, over all lines, wherever Connection stands
    ("X-FOO: 1|x-foo: 2|A: 1|Connection: X-Foo",                                 "A: 1"),
    ("Connection: X-A|Connection: X-B|X-A: 1|X-B: 2|X-AB: 3|X: 4",               "X-AB: 3|X: 4"),
    ("Connection: Foo|X-Foo: 1|Foo-X: 2|Foo: 3",                                 "X-Foo: 1|Foo-X: 2"),
    ("Connection: ,, X-Foo ,|X-Foo: 1|A: 1",                                     "A: 1"),
    ("Connection: CLOSE ,, keep-alive|Close: 1|Keep-Alive: timeout=5|A: 1",      "A: 1"),
    # what is no token names nothing, and goes with its line
    ('Connection: "X-Foo"|X-Foo: 1',                                             "X-Foo: 1"),
    ("Connection: X-Foo;q=1|X-Foo: 1",                                           "X-Foo: 1"),
    ("Connection: not-close-x|Close: 1|X: 2",                                    "Close: 1|X: 2"),
    ("Connection: X_Foo|X-Foo: 1",                                               "X-Foo: 1"),
    # order and duplicates of the rest are kept
    ("B: 1|A: 2|Connection: X|B: 3|a: 4|X: 5|B: 1",                              "B: 1|A: 2|B: 3|a: 4|B: 1"),
    ("A:|Connection: A",                                                         ""),
    ("",                                                                         ""),
]  # fmt: skip


@pytest.mark.parametrize(("incoming", "outgoing"), STRIPPED)
def test_what_was_nominated_or_is_standard_is_stripped(incoming: str, outgoing: str) -> None:
    fields = lines(incoming)
    assert shown(strip(fields, connection_options(index(fields)))) == outgoing
    assert shown(fields) == shown(lines(incoming)), "the incoming lines are left alone"


def test_hundreds_of_nominations_all_count() -> None:
    names = [f"X-{number}" for number in range(300)]
    fields = lines(f"Connection: {', '.join(names)}|" + "|".join(f"{name}: v" for name in names) + "|X-300: v")
    assert shown(strip(fields, connection_options(index(fields)))) == "X-300: v"


def also(*names: str, rule: Rule = STATED_ANEW) -> Removals:
    return Removals({name.encode(): rule for name in names})


def test_what_the_caller_removes_besides_is_removed_whoever_sent_it() -> None:
    assert strip(lines("Host: h|X-A: 1|x-b: 2"), frozenset(), also("host", "x-b")) == [(b"X-A", b"1")]
    assert strip(lines("X-A: 1|x-b: 2"), frozenset(), forged=frozenset({b"x-b"})) == [(b"X-A", b"1")]


def test_the_names_that_end_here_are_the_set_the_nominated_and_what_is_removed_besides() -> None:
    rules = rules_by_name(frozenset({b"x"}), also("y"), frozenset({b"z"}))
    assert rules.keys() == HOP_BY_HOP | {b"x", b"y", b"z"}


DECISIONS = [
    # line                      nominated            removed besides      verdict      what the rule speaks of
    ("Connection: X",           "x",                 also(),              "stripped",  "itself"),
    ("Connection: connection",  "connection",        also(),              "stripped",  "itself"),
    ("X: 1",                    "x",                 also(),              "stripped",  "nominated"),
    ("Cookie: a",               "cookie",            also(),              "stripped",  "nominated"),
    ("TE: trailers",            "",                  also(),              "stripped",  "hop-by-hop by definition"),
    ("HTTP2-Settings: x",       "",                  also(),              "stripped",  "hop-by-hop by definition"),
    ("Host: h",                 "host",              also("host", rule=MADE_ANEW), "replaced", "rewritten"),
    ("Transfer-Encoding: x",    "transfer-encoding", also("transfer-encoding", rule=MADE_ANEW), "replaced", "rewritten"),
    ("Transfer-Encoding: x",    "",                  also(),              "stripped",  "hop-by-hop by definition"),
    ("Host: h",                 "",                  also(),              "kept",      "end-to-end"),  # of a response
    ("Host: h",                 "host",              also(),              "stripped",  "nominated"),
    ("X-Request-Id: x",         "",                  also("x-request-id"), "replaced", "stated anew"),
    ("X-Request-Id: x",         "x-request-id",      also("x-request-id"), "stripped", "nominated"),
    ("X-Forwarded-For: x",      "",                  also("x-forwarded-for", rule=FORGED), "untrusted", "not trusted"),
    ("X-Bar: 1",                "x",                 also("y"),           "kept",      "end-to-end"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "nominated", "besides", "verdict", "rule"), DECISIONS)
def test_a_decision_says_what_became_of_a_line_and_why(
    notation: str, nominated: str, besides: Removals, verdict: str, rule: str
) -> None:
    decisions = Decisions()
    strip(lines(notation), frozenset(nominated.encode().split()), besides, decisions=decisions)
    [decision] = decisions
    assert decision.line == lines(notation)[0]
    assert decision.outcome.verdict == verdict
    assert rule in decision.rule


def test_the_decisions_are_one_a_line_in_order() -> None:
    fields = lines("A: 1|Connection: B|B: 2|A: 1")
    decisions = Decisions()
    kept = strip(fields, frozenset({b"b"}), decisions=decisions)
    assert [decision.line for decision in decisions] == fields
    assert [decision.line for decision in decisions if decision.outcome is Outcome.KEPT] == kept


def test_rules_for_long_names_are_not_remembered() -> None:
    remembered = stripping._rules_by_name.cache_info().currsize
    for names in (frozenset([b"x" * 300]), frozenset(b"x-%d" % number for number in range(200))):
        assert set(names) <= stripping.rules_by_name(names).keys()
        assert set(names) <= stripping.rules_by_name(frozenset(), forged=names).keys()
    assert stripping._rules_by_name.cache_info().currsize == remembered


def test_all_that_is_removed_from_requests_is_in_the_index() -> None:
    # Else every line of every request would be looked at.
    removals = [*_REMOVED.values(), *_REMOVED_OF_CERTIFIED.values()]
    assert [removed.is_indexed for removed in removals] == [True] * 8
