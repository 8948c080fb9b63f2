"""[upstreams.NAME] origins: what is refused, and that what is accepted reaches the service."""

from pathlib import Path

import pytest

from proxy.config.build import candidates
from proxy.config.sources import load
from proxy.upstream.origin import Candidate, Origin

ONE = 'origins = [{ url = "http://a" }]'

REFUSED = [
    # lines of the table                          said
    ("origins = []",                              "a.origins = []: expected a list of length >= 1"),
    ('origins = [{ weight = 2 }]',                "a.origins = [{ weight = 2 }]: object missing required field `url`"),
    ('origins = [{ url = "ftp://a" }]',           'a.origins = "ftp://a": expected http://HOST[:PORT], https://'),
    ('origins = [{ url = "http://a", weight = 0 }]', "expected a whole number >= 1"),
    ('origins = [{ url = "http://a", weight = 1001 }]', "expected a whole number <= 1000"),
    ('origins = [{ url = "http://a", backup = 1 }]', "expected true or false, got a whole number"),
    ('origins = [{ url = "http://a", height = 1 }]', 'unknown key "height", did you mean "weight"?'),
    ('origins = [{ url = "http://a", backup = true }]', "a.origins: expected one that is no backup"),
    (f'{ONE}\nurls = ["http://b"]',               "a.origins: is set together with urls: list all origins in one of them"),
    (f'{ONE}\nbalance = "leastconn"',              'expected one of "hash", "least_requests", "random_two", "round_robin"'),
    (f'{ONE}\nbalance = "hash"\nhash_on = "ip"',   'a.hash_on = "ip": expected "client_address", "path", "header:NAME"'),
    (f'{ONE}\nhash_on = "path"',                   'a.hash_on = "path": does nothing without balance = "hash"'),
    (f'{ONE}\nsticky_cookie = "a b"',              'a.sticky_cookie = "a b": expected the name of a cookie'),
    ("host = 'h'",                                "upstreams.a: upstream needs 'urls'"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "said"), REFUSED)
def test_what_cannot_work_is_refused(tmp_path: Path, lines: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"[upstreams.a]\n{lines}\n")
    [found] = map(str, load(file, {}).problems)
    assert said in found


def test_weights_and_backups_reach_the_service(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        "[[upstreams.a.origins]]\nurl = 'http://a:1'\nweight = 3\n"
        "[[upstreams.a.origins]]\nurl = 'http://b:2'\nbackup = true\n"
    )
    config = load(file, {}).valid()
    assert candidates(config.upstreams["a"]) == [
        Candidate(Origin("a", 1), 3),
        Candidate(Origin("b", 2), 1, backup=True),
    ]


def test_urls_are_origins_of_equal_weight(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[upstreams.a]\nurls = ['http://a:1', 'http://b:2']\n")
    assert candidates(load(file, {}).valid().upstreams["a"]) == [Candidate(Origin("a", 1)), Candidate(Origin("b", 2))]
