"""How a route's rewriting is written, and what is said of what cannot work."""

from pathlib import Path

import pytest

pytest.importorskip("re2", reason="pip install google-re2")

from proxy.config.build import routing_table
from proxy.config.sources import load
from proxy.policy.rewriting import Rewriting

APP = '[upstreams.app]\nurls = ["http://a"]\n[routes.a]\nupstream = "app"\npath = "/v1"\n'

WRONG = [
    # of a route                                                what is said
    ('strip_prefix = "v1"',                                     'strip_prefix = "v1": expected a path such as "/v1", without wildcards'),
    ('strip_prefix = "/v1/*"',                                  "expected a path such as"),
    ('strip_prefix = "/"',                                      "does nothing: every path begins with it"),
    ('strip_prefix = "/v2"',                                    'does nothing: no path that begins with it is served by "/v1"'),
    ('add_prefix = "/a?b"',                                     "expected a path such as"),
    ('add_prefix = "//"',                                       "does nothing"),
    ('add_prefix = "/a b"',                                     "expected a path such as"),
    ('rewrite_path = { to = "/x" }',                            "routes.a.rewrite_path: needs a pattern"),
    ('rewrite_path = { pattern = "(a", to = "/x" }',            'rewrite_path.pattern = "(a": is no pattern of RE2: missing ): (a'),
    ('rewrite_path = { pattern = "(?=a)", to = "/x" }',         "is no pattern of RE2: invalid perl operator: (?="),
    ('rewrite_path = { pattern = "a{2000}", to = "/x" }',       "is no pattern of RE2: invalid repetition size"),
    ('rewrite_path = { pattern = "' + "a" * 1025 + '", to = "/x" }', "expected 1024 bytes or less"),
    ('rewrite_path = { pattern = "a" }',                        'rewrite_path.to = "": expected a path that begins with "/"'),
    ('rewrite_path = { pattern = "a", to = "x" }',              'expected a path that begins with "/"'),
    ('rewrite_path = { pattern = "a", to = "//x" }',            'expected one "/" at its beginning: two would begin a host'),
    ('rewrite_path = { pattern = "a", to = "/x?y" }',           'without "?": the query goes on as it is'),
    ('rewrite_path = { pattern = "a", to = "/x\\r\\ny" }',      'expected a path that begins with "/"'),
    ("rewrite_path = { pattern = '(a)', to = '/\\1' }",           "what a group has matched is written $1"),
    ('rewrite_path = { pattern = "(a)", to = "/$2" }',          "the pattern has no group 2"),
    ('rewrite_path = { pattern = "a", too = "/x" }',            'unknown key, did you mean "routes.a.rewrite_path.to"?'),
    ("rewrite_location = 1",                                    "expected true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_what_cannot_work_is_refused(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"{APP}{line}\n")
    assert any(said in str(problem) and problem.line == 6 for problem in load(file, {}).problems)


def rewriting(tmp_path: Path, line: str) -> Rewriting | None:
    file = tmp_path / "c.toml"
    file.write_text(f"{APP}{line}\n")
    route = routing_table(load(file, {}).valid()).match(b"h", b"/v1")
    assert route is not None
    return route.rewriting


TARGETS = [
    ('strip_prefix = "/v1/"',                                    b"/v1/x", b"/x"),
    ('strip_prefix = "/%761"',                                   b"/v1/x", b"/x"),
    ('strip_prefix = "/v1/x"',                                   b"/v1/x/y", b"/y"),
    ('add_prefix = "/in/"',                                      b"/v1/x", b"/in/v1/x"),
    ('rewrite_path = { pattern = "^/v1/([a-z]+)/([0-9]+)$", to = "/$2/$1" }', b"/v1/a/1?q", b"/1/a?q"),
    ('rewrite_path = { pattern = "^/v1/(.*)$", to = "/$$1-$1" }', b"/v1/a", b"/$1-a"),
    ('rewrite_path = { pattern = "/v1", to = "/all" }',          b"/v1/a", b"/all"),
    ('rewrite_path = { pattern = "\\\\.php$", to = "/none" }',   b"/v1/a.php", b"/none"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "target", "expected"), TARGETS)
def test_it_reaches_the_route(tmp_path: Path, line: str, target: bytes, expected: bytes) -> None:
    made = rewriting(tmp_path, line)
    assert made is not None
    assert made.target(target)[0] == expected
    assert made.turn_back


def test_a_route_that_rewrites_nothing_has_none(tmp_path: Path) -> None:
    assert rewriting(tmp_path, "rewrite_location = false") is None
    kept = rewriting(tmp_path, 'strip_prefix = "/v1"\nrewrite_location = false')
    assert kept is not None
    assert not kept.turn_back


def test_no_pattern_can_hold_up_a_worker(tmp_path: Path) -> None:
    made = rewriting(tmp_path, 'rewrite_path = { pattern = "^/v1/(a*)*b$", to = "/x" }')
    assert made is not None
    target = b"/v1/" + b"a" * 8000
    assert made.target(target)[0] == target, "or this takes longer than the universe is old"
