"""Routes and upstreams in words."""

from pathlib import Path

import pytest

from proxy.config.describe import place, routes_in_words, upstreams_in_words
from proxy.config.sources import load

APP = '[upstreams.app]\nurls = ["http://a:1"]\n[routes.r]\n'
ROUTES = [
    ('upstream = "app"', "any host, path /", "upstream app"),
    ('host = "*.example.com"\npath = "/v1"\nupstream = "app"', "*.example.com, path /v1", "upstream app"),
    ('methods = ["GET", "HEAD"]\nupstream = "app"', "any host, path /, GET or HEAD", "upstream app"),
    ('headers = { X-Env = "canary", X-Any = "" }\nupstream = "app"', "any host, path /, X-Env: canary, with X-Any",
     "upstream app"),
    ('headers = { Cookie = "hunter2" }\nupstream = "app"', "any host, path /, Cookie: ***", "upstream app"),
    ('split = [{ upstream = "app", weight = 9 }, { upstream = "app2", weight = 1 }]\n[upstreams.app2]\n'
     'urls = ["http://c:1"]', "any host, path /", "app (weight 9), app2 (weight 1)"),
    ('redirect = { to = "/new" }', "any host, path /", "308 to /new"),
    ('respond = { status = 503 }', "any host, path /", "answer 503"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "matches", "leads_to"), ROUTES)
def test_a_route_says_what_it_serves_and_where_it_leads(
    tmp_path: Path, route: str, matches: str, leads_to: str
) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text(APP + route)
    config = load(file, {}).valid()
    found = routes_in_words(config)["r"]
    assert (found.matches, found.leads_to) == (matches, leads_to)
    assert place(config.routes["r"]) == matches.replace(", path ", "")


UPSTREAMS = [
    ("", ("round robin", "", 0, 0)),
    ('balance = "hash"\nhash_on = "header:X-User"', ("hash of header:X-User", "", 0, 0)),
    ('sticky_cookie = "sid"', ("round robin, sticky by cookie sid", "", 0, 0)),
    ("max_connections = 8\nqueue = 4\n[upstreams.app.health_check]\ninterval_s = 2",
     ("round robin", "a connection every 2 s", 8, 4)),
    ('[upstreams.app.health_check]\npath = "/up"', ("round robin", "GET /up every 10 s", 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "expected"), UPSTREAMS)
def test_an_upstream_says_how_it_is_used(tmp_path: Path, keys: str, expected: tuple[str, str, int, int]) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text(f'[upstreams.app]\nurls = ["http://a:1", "http://b:1"]\n{keys}\n')
    assert upstreams_in_words(load(file, {}).valid())["app"] == expected
