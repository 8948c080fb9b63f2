"""Which requests a route serves: how it is written, and what is said of conditions that cannot be met."""

from pathlib import Path

import pytest

from proxy.config.build import routing_table
from proxy.config.show import effective
from proxy.config.sources import load
from tests.harness.notation import request

APP = '[upstreams.app]\nurls = ["http://a"]\n'

WRONG = [
    # of a route                            what is said
    ('methods = ["get"]',                   'routes.a.methods = "get": methods are compared by case: GET'),
    ('methods = ["G T"]',                   "expected a method such as GET; for any, leave methods out"),
    ('methods = ["*"]',                     "expected a method such as GET; for any, leave methods out"),
    ('methods = ["CONNECT"]',               "is not supported: no route serves it"),
    ('methods = "GET"',                     "expected a list, got a text"),
    ('headers = { "X A" = "1" }',           'routes.a.headers.X A = "X A": expected a field name'),
    ('headers = { "X-*" = "1" }',           "expected a field name"),
    ('headers = { "X-A" = "1", "x-a" = "2" }', "routes.a.headers.x-a: has a condition already, as X-A"),
    ('headers = { "X-A" = "a\\r\\nb" }',    "expected one line of Latin-1 text"),
    ('headers = { "X-A" = " a" }',          "or white space around it"),
    ('headers = { "X-A" = "\u20ac" }',      "expected one line of Latin-1 text"),
    ('headers = { "X-A" = 1 }',             "routes.a.headers.X-A = 1: expected a text, got a whole number"),
    ('method = ["GET"]',                    'routes.a.method: unknown key, did you mean "routes.a.methods"?'),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_condition_that_cannot_be_met_is_refused(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'{APP}[routes.a]\nupstream = "app"\n{line}\n')
    [found] = load(file, {}).problems
    assert said in str(found)
    assert found.line == 5


TWINS = [
    # two routes                                              what they have in common
    ('methods = ["GET", "PUT"]', 'methods = ["PUT"]',         "serves the same host, path and conditions as routes.a"),
    ('headers = {X-A = "1"}',    'headers = {x-a = "1"}',     "serves the same host, path and conditions as routes.a"),
    ("",                         "",                          "serves the same host and path as routes.a"),
    ('methods = ["GET"]',        "",                          None),
    ('methods = ["GET"]',        'methods = ["PUT"]',         None),
    ('headers = {X-A = "1"}',    'headers = {X-A = "2"}',     None),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "said"), TWINS)
def test_routes_that_nothing_tells_apart_are_refused(tmp_path: Path, first: str, second: str, said: str | None) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'{APP}[routes.a]\nupstream = "app"\n{first}\n[routes.b]\nupstream = "app"\n{second}\n')
    assert [problem.expected for problem in load(file, {}).problems] == ([] if said is None else [said])


def test_methods_and_fields_reach_the_table(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        f'{APP}[routes.a]\nupstream = "app"\nmethods = ["GET"]\nheaders = {{ "X-Env" = "canary", "X-Any" = "" }}\n'
    )
    loaded = load(file, {})
    table = routing_table(loaded.valid())
    for notation, found in (
        ("GET / HTTP/1.1|Host: h|X-Env: canary|X-Any: 1", True),
        ("GET / HTTP/1.1|Host: h|X-Env: canary", False),
        ("GET / HTTP/1.1|Host: h|X-Env: Canary|X-Any: 1", False),
        ("PUT / HTTP/1.1|Host: h|X-Env: canary|X-Any: 1", False),
    ):
        head = request(notation)
        assert (table.match(b"h", b"/", head) is not None) is found
    assert ("routes.a.headers.X-Env", '"canary"') in [row[:2] for row in effective(loaded.valid(), loaded.sources)]


def test_a_secret_that_a_request_must_know_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'{APP}[routes.a]\nupstream = "app"\nheaders = {{ "X-Api-Key" = "hidden" }}\n')
    loaded = load(file, {})
    assert "hidden" not in str(effective(loaded.valid(), loaded.sources))
