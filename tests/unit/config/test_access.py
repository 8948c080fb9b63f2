"""Who may use a route: what of it cannot work, and what a person is told."""

import pytest

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
    ("rate_limit.requests_per_s=-1",      "requests_per_s = -1: expected more than 0, and 1000000 at most"),
    ("rate_limit.requests_per_s=inf",     "requests_per_s = inf: expected more than 0"),
    ("rate_limit.requests_per_s=nan",     "requests_per_s = nan: expected more than 0"),
    ("rate_limit.requests_per_s=10/s",    'requests_per_s = "10/s": expected `float`'),
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
    ("dry_run=yes",                       "expected `bool`"),
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
