"""Who may use a route: what of it cannot work, and what a person is told."""

from pathlib import Path

import pytest

from proxy.config import access_rules
from proxy.config.sources import load

ONE = {"upstreams.default.urls": ["http://127.0.0.1:9000"], "routes.r.upstream": "default"}

WRONG = [
    # a setting of the route              what is said
    ("access.allow=10.0.0.0/99",          'routes.r.access.allow = "10.0.0.0/99": expected a network such as 10.0.0.0/8'),
    ("access.deny=10.0.0.1/8",            "has host bits set"),
    ("access.deny=localhost",             'routes.r.access.deny = "localhost": expected a network such as 10.0.0.0/8'),
    ("access.alow=10.0.0.0/8",            'unknown key, did you mean "routes.r.access.allow"?'),
    ("acces.allow=10.0.0.0/8",            'unknown key, did you mean "routes.r.access"?'),
    ("rate_limit.burst=5",                "routes.r.rate_limit.requests_per_s: a rate limit needs requests_per_s"),
    ("rate_limit.requests_per_s=0",       "routes.r.rate_limit.requests_per_s = 0: expected more than 0"),
    ("rate_limit={}",                     "routes.r.rate_limit: a rate limit needs requests_per_s"),
    ("rate_limit.by=client_address",      "routes.r.rate_limit: a rate limit needs requests_per_s"),
    ("rate_limit.dry_run=false",          "routes.r.rate_limit: a rate limit needs requests_per_s"),
    ("rate_limit.request_per_s=5",        'unknown key, did you mean "routes.r.rate_limit.requests_per_s"?'),
    ("access={}",                         "routes.r.access: is empty: it would restrict nothing"),
    ("access.user_field=X-User",          'access.user_field = "X-User": does nothing without basic_auth'),
    ("rate_limit.requests_per_s=-1",      "requests_per_s = -1: expected more than 0, and 1000000 at most"),
    ("rate_limit.requests_per_s=inf",     "requests_per_s = inf: expected more than 0"),
    ("rate_limit.requests_per_s=nan",     "requests_per_s = nan: expected more than 0"),
    ("rate_limit.requests_per_s=10/s",    'requests_per_s = "10/s": expected a number'),
    ("rate_limit.rps=10",                 "routes.r.rate_limit.rps: unknown key"),
]  # fmt: skip

LIMITS = [
    # a setting beside a rate             what is said
    ("burst=-1",                          "routes.r.rate_limit.burst = -1: expected 0 or more"),
    ("burst=100000000",                   "expected no more than the tokens of a month"),
    ("by=address",                        'rate_limit.by = "address": expected "client_address" or "header:NAME"'),
    ("by=header:",                        'expected "client_address" or "header:NAME"'),
    ("by=header:X Key",                   'expected "client_address" or "header:NAME"'),
    ("by=header:X-Real-IP",               'expected "client_address": it is what trusted_networks say it is'),
    ("by=header:X_Forwarded_For",         'expected "client_address": it is what trusted_networks say it is'),
    ("dry_run=yes",                       "expected true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "said"), LIMITS)
def test_a_rate_limit_that_cannot_work_is_refused(setting: str, said: str) -> None:
    settings = ["routes.r.rate_limit.requests_per_s=10", f"routes.r.rate_limit.{setting}"]
    [found] = [str(problem) for problem in load(None, {}, ONE, settings).problems]
    assert said in found


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_a_rule_of_access_that_cannot_work_is_refused(setting: str, said: str) -> None:
    [found] = [str(problem) for problem in load(None, {}, ONE, [f"routes.r.{setting}"]).problems]
    assert said in found


def test_networks_may_be_addresses_and_lists() -> None:
    config = load(None, {}, ONE, ["routes.r.access.allow=10.0.0.0/8, ::1", "routes.r.access.deny=10.0.0.1"]).valid()
    assert config.routes["r"].access.allow == ["10.0.0.0/8", "::1"]
    assert config.routes["r"].access.deny == ["10.0.0.1"]


def test_a_file_of_passwords_must_hold_users_with_bcrypt_hashes(tmp_path: Path) -> None:
    file = tmp_path / "users"
    setting = [f"routes.r.access.basic_auth={file}"]
    [found] = map(str, load(None, {}, ONE, setting).problems)
    assert found.endswith(f'routes.r.access.basic_auth = "{file}": cannot be read: No such file or directory')
    file.write_bytes(b"# people\nann:$apr1$aaaa$bbbb\n")
    [found] = map(str, load(None, {}, ONE, setting).problems)
    assert f'"{file}": {file}:2: the password of ann is hashed by MD5 (apr1): only bcrypt is taken' in found
    file.write_bytes(b"ann:$2y$05$" + b"a" * 53)
    assert load(None, {}, ONE, setting).problems == []
    file.write_bytes(b"#" * (1 << 20) + b"#")
    [found] = map(str, load(None, {}, ONE, setting).problems)
    assert "the file is larger than 1048576 bytes" in found


def test_passwords_need_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_rules, "find_spec", lambda _name: None)
    [found] = map(str, load(None, {}, ONE, ["routes.r.access.basic_auth=users"]).problems)
    assert """needs the extra "auth": pip install 'onehop[auth]'""" in found


AUTH = [
    # settings of forward_auth                                 what is said
    (["path=/verify"],                                         "forward_auth.upstream: forward_auth needs an upstream to ask"),
    (["upstream=defualt"],                                     'forward_auth.upstream = "defualt": no such upstream, did you mean "default"?'),
    (["upstream=default", "path=verify"],                      'forward_auth.path = "verify": expected a path that begins with "/"'),
    (["upstream=default", "path=/a#b"],                        'forward_auth.path = "/a#b": expected a path'),
    (["upstream=default", "path=/a b"],                        'forward_auth.path = "/a b": expected a path'),
    (["upstream=default", "copy=X-*"],                         'forward_auth.copy = "X-*": names have no wildcards'),
    (["upstream=default", "copy=X User"],                      'forward_auth.copy = "X User": expected a field name'),
    (["upstream=default", "copy=Connection"],                  "is stated by this proxy itself, or belongs to one hop"),
    (["upstream=default", "copy=X_Forwarded_For"],             "is stated by this proxy itself, or belongs to one hop"),
    (["upstream=default", "copy=content-length"],              "is stated by this proxy itself, or belongs to one hop"),
    (["upstream=default", "copy=X-Env"],                       'forward_auth.copy = "X-Env": is put by the route already'),
    (["upstream=default", "timeout_s=3"],                      "forward_auth.timeout_s: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "said"), AUTH)
def test_a_service_to_ask_that_cannot_work_is_refused(settings: list[str], said: str) -> None:
    given = [f"routes.r.access.forward_auth.{setting}" for setting in settings]
    given.append("routes.r.request_fields.put.x_env=1")
    [found] = [str(problem) for problem in load(None, {}, ONE, given).problems]
    assert said in found


def test_a_service_to_ask_may_be_written_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        """[upstreams.auth]
urls = ["http://auth"]
[routes.r]
upstream = "auth"
[routes.r.access]
forward_auth = { upstream = "auth", path = "/verify?x=1", copy = ["X-User", "Remote-User", "X-Forwarded-User"] }
"""
    )
    asked = load(file, {}).valid().routes["r"].access.forward_auth
    assert (asked.upstream, asked.path, asked.copy) == (
        "auth",
        "/verify?x=1",
        ["X-User", "Remote-User", "X-Forwarded-User"],
    )
