"""Where a route leads: how it is written, and what is said of what cannot work."""

from pathlib import Path

import pytest

from proxy.config.build import routing_table
from proxy.config.sources import load
from proxy.policy.answers import FixedAnswer

APP = '[upstreams.app]\nurls = ["http://a"]\n[routes.a]\n'

WRONG = [
    # of a route                                                      what is said
    ('path = "/x"',                                                   "routes.a: route needs 'upstream', or one of split, redirect, respond"),
    ('upstream = "app"\nredirect = { to = "/x" }',                    "routes.a.redirect: a route has one of upstream, split, redirect, respond: this one has upstream, too"),
    ('respond = { body = "x" }\nsplit = [{ upstream = "app" }]',      "a route has one of upstream, split, redirect, respond: this one has split, too"),
    ('upstream = "ap"',                                               'no such upstream, did you mean "app"?'),
    ('split = [{ upstream = "ap" }]',                                 'routes.a.split = "ap": no such upstream, did you mean "app"?'),
    ('split = [{ upstream = "app", weight = 0 }]',                    "routes.a.split: needs a weight that is not 0"),
    ('split = [{ upstream = "app", weight = -1 }]',                   "expected a whole number >= 0"),
    ('split = [{ weight = 1 }]',                                      "missing required field `upstream`"),
    ('split = []',                                                    "route needs 'upstream'"),
    ('split = { upstream = "app" }',                                  "split"),
    ('redirect = { status = 301 }',                                   'routes.a.redirect: needs a target: to = "https://{host}{target}"'),
    ('redirect = { to = "/x", status = 200 }',                        "routes.a.redirect.status = 200: expected one of 301, 302, 303, 307, 308"),
    ('redirect = { to = "/{uri}" }',                                  "has no placeholder {uri}: there are {host}, {authority}, {path}, {target}, {query}"),
    ('redirect = { to = "/a b" }',                                    "expected visible ASCII"),
    ('redirect = { to = "/a\\r\\nSet-Cookie: x" }',                   "expected visible ASCII"),
    ('redirect = { to = "{query}" }',                                 "else a client could choose where others are sent"),
    ('redirect = { to = "//{host}{path}" }',                          "else a client could choose"),
    ('redirect = { to = "https://{path}" }',                          "else a client could choose"),
    ('redirect = { to = "https://h{query}" }',                        "else a client could choose"),
    ('redirect = { to = "https://u@h/" }',                            "else a client could choose"),
    ('redirect = { to = "javascript:{path}" }',                       "else a client could choose"),
    ('redirect = "/x"',                                               "expected a table, got a text"),
    ('redirect = { to = "/x", code = 301 }',                          "routes.a.redirect.code: unknown key"),
    ('respond = { status = 100 }',                                    "routes.a.respond.status = 100: expected a status from 200 to 599"),
    ('respond = { status = 204, body = "x" }',                        "has no body"),
    ('respond = { body = "x", file = "/dev/null" }',                  "leave out body or file"),
    ('respond = { file = "/nowhere/x" }',                             'routes.a.respond.file = "/nowhere/x": cannot be read: No such file or directory'),
    ('respond = { content_type = "html" }',                           "expected a media type such as text/html"),
    ('respond = { content_type = "a/b\\r\\nX: y" }',                  "expected a media type such as text/html"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "said"), WRONG)
def test_what_cannot_work_is_refused(tmp_path: Path, lines: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"{APP}{lines}\n")
    found = load(file, {}).problems
    assert any(said in str(problem) for problem in found), found
    assert all(problem.line is not None for problem in found)


RIGHT = [
    ('to = "https://{host}{target}"'),
    ('to = "HTTP://www.{host}:8443/x?{query}", status = 301'),
    ('to = "{path}"'),
    ('to = "/login?next={target}"'),
    ('to = "https://[::1]"'),
    ('to = "https://h.example{path}/"'),
]


@pytest.mark.parametrize("redirect", RIGHT)
def test_a_redirect_whose_host_no_client_chooses_is_right(tmp_path: Path, redirect: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"[routes.a]\nredirect = {{ {redirect} }}\n")
    assert load(file, {}).problems == [], "nor does it need an upstream"


def fixed(tmp_path: Path, respond: str) -> FixedAnswer:
    file = tmp_path / "c.toml"
    file.write_text(f"[routes.a]\nrespond = {{ {respond} }}\n")
    route = routing_table(load(file, {}).valid()).match(b"h", b"/")
    assert route is not None
    assert isinstance(route.answer, FixedAnswer)
    return route.answer


def test_a_fixed_answer_is_text_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert fixed(tmp_path, 'body = "ä"') == FixedAnswer(200, b"text/plain; charset=utf-8", "ä".encode())
    assert fixed(tmp_path, 'body = "x", content_type = "text/css"').content_type == b"text/css"


def test_a_file_has_the_type_of_its_suffix_and_is_read_with_the_configuration(tmp_path: Path) -> None:
    page = tmp_path / "page.HTML"
    page.write_bytes(b"<p>one")
    file = tmp_path / "c.toml"
    file.write_text(f'[routes.a]\nrespond = {{ status = 503, file = "{page}" }}\n')
    loaded = load(file, {})
    page.write_bytes(b"<p>two")
    route = routing_table(loaded.valid()).match(b"h", b"/")
    assert route is not None
    assert route.answer == FixedAnswer(503, b"text/html; charset=utf-8", b"<p>one"), "a worker that starts later, too"
    assert page in loaded.files
    route = routing_table(load(file, {}).valid()).match(b"h", b"/")
    assert route is not None
    assert route.answer == FixedAnswer(503, b"text/html; charset=utf-8", b"<p>two")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_bytes(b"x" * ((1 << 20) + 1))
    file = tmp_path / "c.toml"
    file.write_text(f'[routes.a]\nrespond = {{ file = "{page}" }}\n')
    assert "expected 1 MiB or less" in str(load(file, {}).problems)


def test_an_upstream_of_the_command_line_may_be_one_of_a_split(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        '[upstreams.b]\nurls = ["http://b"]\n[routes.a]\nsplit = [{upstream = "default"}, {upstream = "b"}]\n'
    )
    assert load(file, {"ONEHOP_UPSTREAM": "http://a"}).problems == []
