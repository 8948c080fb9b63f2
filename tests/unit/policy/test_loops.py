"""How often a request has passed through this instance."""

import pytest

from proxy.http1.fields import index
from proxy.policy import loops
from proxy.policy.loops import cdn_loop, is_loop, passes, via
from tests.harness.notation import lines

MARKS = [
    # lines                                         passes
    ("",                                                0),
    ("Via: 1.1 me",                                     1),
    ("Via: 1.1 a, 1.0 me, 1.1 b",                       1),
    ("Via: 1.1 a|Via: ,HTTP/1.1\tme (x)",               1),
    ("Via: 1.1 me:80, 1.1 not-me, 1.1 ME",              0),
    ("Via: me, 1.1",                                    0),
    # a comma within a comment separates nothing
    ("Via: 1.1 a (x, 1.1 me , y)",                      0),
    ("Via: 1.1 a (x (y), 1.1 me , z), 1.1 b",           0),
    ("Via: 1.1 a (x\\), 1.1 me , z)",                    0),
    ("Via: 1.1 a (x), 1.1 me (y)",                      1),
    # one that does not end hides nothing
    ("Via: 1.1 a (x, 1.1 me, 1.1 b",                    1),
    ("Via: 1.1 a (x\\), 1.1 me, z",                      1),
    ("Via: 1.1 a )(, 1.1 me",                           1),
    ("Via: 1.1 a ), 1.1 me",                            1),
    # each pass counts, over all lines
    ("Via: 1.1 me, 1.1 a, 1.0 me|Via: 1.1 me",          3),
    # CDN-Loop, where Via is not stated
    ("CDN-Loop: me",                                    1),
    ("CDN-Loop: other, me ; x=1, me;y|CDN-Loop: me",    3),
    ("CDN-Loop: notme, me2, me:80, x;a=me",             0),
    ("Via: 1.1 me|CDN-Loop: me",                        2),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "expected"), MARKS)
def test_each_pass_has_left_a_mark(notation: str, expected: int) -> None:
    assert passes(index(lines(notation)), b"me") == expected


def test_what_is_stated_is_what_is_counted() -> None:
    assert passes(index([via(b"me", b"1.0"), cdn_loop(b"me")]), b"me") == 2


@pytest.mark.parametrize(("notation", "passed"), MARKS)
def test_a_loop_is_what_has_passed_as_often_as_it_may(notation: str, passed: int) -> None:
    known = index(lines(notation))
    assert [is_loop(known, b"me", most) for most in (passed, passed + 1)] == [True, False]


def test_a_long_via_is_taken_apart_only_where_our_name_stands_often_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "passes", None)  # not called
    assert not is_loop(index([(b"Via", b"1.1 a," * 5_000 + b"1.1 me,1.1 me")]), b"me", 3)
    # So long, and our name in it: a loop, however it is hidden.
    assert is_loop(index([(b"Via", b"1.1 a (me)," * 500 + b"1.1 me")]), b"me", 3)
