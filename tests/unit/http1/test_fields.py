"""Field lines: the index, list members, tokens."""

import pytest

from proxy.http1.fields import UNDERSTOOD, X_FORWARDED_NAMES, connection_options, index, members, tokens
from tests.harness.notation import lines

MEMBERS = [
    # values of the lines                     members
    ([],                                      []),
    ([b""],                                   []),
    ([b" \t"],                                []),
    ([b"a"],                                  [b"a"]),
    ([b"a,b"],                                [b"a", b"b"]),
    ([b" a\t, b "],                           [b"a", b"b"]),
    ([b",, a ,,\t, b,"],                      [b"a", b"b"]),
    ([b"a", b"b, c"],                         [b"a", b"b", b"c"]),
    ([b"a, a", b"a"],                         [b"a", b"a", b"a"]),
    ([b"A b;q=1"],                            [b"A b;q=1"]),
    ([b'"a, b"'],                             [b'"a', b'b"']),  # not for lists that may hold quoted commas
    ([b"\x0ba"],                              [b"\x0ba"]),  # only SP and HTAB are whitespace here
]  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), MEMBERS)
def test_members_are_split_over_all_lines_and_empty_ones_ignored(values: list[bytes], expected: list[bytes]) -> None:
    assert members(values) == expected


TOKENS = [
    # member                                  what it names
    (b"X-Foo",                                [b"x-foo"]),
    (b"close ,, KEEP-Alive",                  [b"close", b"keep-alive"]),
    (b"not-close-x",                          [b"not-close-x"]),
    (b"!#$%&'*+-.^_`|~09azAZ",                [b"!#$%&'*+-.^_`|~09azaz"]),
    (b'"X-Foo"',                              []),
    (b"X-Foo;q=1",                            []),
    (b"X-Foo ;q=1, Bar",                      [b"bar"]),
    (b"X Foo",                                []),
    (b"X-Foo:",                               []),
    (b"X=Foo",                                []),
    (b"(X)",                                  []),
    (b"X/Y",                                  []),
    (b"X\x80",                                []),
    (b"\x00X",                                []),
    (b"",                                     []),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), TOKENS)
def test_only_a_token_is_a_name_and_it_is_compared_in_lower_case(value: bytes, expected: list[bytes]) -> None:
    assert tokens([value]) == expected


OPTIONS = [
    # field lines                                           options
    ("",                                                    []),
    ("Connection:",                                         []),
    ("Connection: close",                                   ["close"]),
    ("Connection: CLOSE ,, keep-alive",                     ["close", "keep-alive"]),
    ("connection: a|CONNECTION: b,c|Connection:|X: d",      ["a", "b", "c"]),
    ("Connection: X-Foo, x-foo, X-FOO",                     ["x-foo"]),
    ('Connection: "X-Foo", X-Bar;q=1, X-Baz',               ["x-baz"]),
    ("Connection: not-close-x",                             ["not-close-x"]),
    ("Connection: X-Foo X-Bar",                             []),
    ("Proxy-Connection: X-Foo",                             []),
    ("Connections: X-Foo",                                  []),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "expected"), OPTIONS)
def test_the_options_are_the_tokens_of_every_connection_line(notation: str, expected: list[str]) -> None:
    assert connection_options(index(lines(notation))) == {option.encode() for option in expected}


def test_the_index_holds_every_value_of_what_is_understood_in_wire_order() -> None:
    fields = lines("host: a|X-Other: 1|CONNECTION: x|HOST: b|Connection:")
    assert index(fields) == {b"host": [b"a", b"b"], b"connection": [b"x", b""]}


def test_the_index_of_no_lines_is_empty() -> None:
    assert index([]) == {}


@pytest.mark.parametrize("name", sorted(UNDERSTOOD))
def test_an_understood_name_is_indexed_in_any_spelling(name: bytes) -> None:
    for spelling in (name.upper(), name.title()):
        assert index([(spelling, b"v")])[name] == [b"v"]


CLAIMING = [
    # fields                                              the names that begin with X-Forwarded
    ("X-Forwarded-For: 1|a: 2|x_forwarded_email: 3",      [b"x-forwarded-for", b"x_forwarded_email"]),
    ("X.Forwarded.For: 1|X.Forwardedx: 2|x.forwarder: 3", [b"x.forwarded.for", b"x.forwardedx"]),
    ("X-FORWARDED: 1|X-Forwarded-A.b: 2",                 [b"x-forwarded", b"x-forwarded-a.b"]),
    ("X-Forward: 1|Forwarded: 2|X: 3|X-Real-IP: 4",       None),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "claims"), CLAIMING)
def test_the_index_holds_the_names_that_begin_with_x_forwarded(notation: str, claims: list[bytes] | None) -> None:
    assert index(lines(notation)).get(X_FORWARDED_NAMES) == claims


@pytest.mark.parametrize("name", [b"content_length", b"x-real-ip", b"proxy", b"proxy-connection", b"keep_alive"])
def test_a_name_that_is_stripped_is_indexed_under_its_own_spelling(name: bytes) -> None:
    assert index([(name, b"v")]) == {name: [b"v"]}


@pytest.mark.parametrize("name", [b"hos", b"hostt", b"x-host", b"content-lengths", b"transfer-encoding2"])
def test_a_name_that_only_resembles_is_not_indexed(name: bytes) -> None:
    assert index([(name, b"v")]) == {}
