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
]  # fmt: skip


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_a_rule_of_access_that_cannot_work_is_refused(setting: str, said: str) -> None:
    [found] = [str(problem) for problem in load(None, {}, ONE, [f"routes.r.{setting}"]).problems]
    assert said in found


def test_networks_may_be_addresses_and_lists() -> None:
    config = load(None, {}, ONE, ["routes.r.access.allow=10.0.0.0/8, ::1", "routes.r.access.deny=10.0.0.1"]).valid()
    assert config.routes["r"].access.allow == ["10.0.0.0/8", "::1"]
    assert config.routes["r"].access.deny == ["10.0.0.1"]
