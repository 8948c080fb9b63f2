"""Times, limits and upgrades that a route has of its own: how they are written, and what is said of those that cannot work."""

from pathlib import Path

import msgspec
import pytest

from proxy.config.build import routing_table
from proxy.config.route_settings import RouteLimitsConfig, RouteTimeoutsConfig
from proxy.config.sources import load
from proxy.policy.settings import Limits, Timeouts

ONE = {"upstreams.app.urls": ["http://127.0.0.1:9000"]}
ROUTED = ["routes.r.upstream=app"]

WRONG = [
    # a key of a route                          what is said
    ("timeouts.response_head_s=0",              "expected more than 0 seconds"),
    ("timeouts.request_total_s=-1",             "expected 0 seconds or more"),
    ("timeouts.linger_s=1e12",                  "expected a year of seconds at most"),
    ("timeouts.connect_s=fast",                 'expected a time: a number of seconds, or a text such as "10s"'),
    ("timeouts.conect_s=1",                     'unknown key, did you mean "routes.r.timeouts.connect_s"?'),
    ("limits.request_body_bytes=-1",            "expected 0 or more"),
    ("limits.response_head_bytes=10",           "expected 1024 or more"),
    ("limits.trailer_bytes=1 GiB",              "expected 16777216 or less"),
    ("limits.request_body_bytes=much",          'expected a size: a number of bytes, or a text such as "64k"'),
    ("upgrades=h2c",                            "HTTP/2 is not supported"),
    ("upgrades=a b",                            "expected a protocol"),
    *(
        (f"timeouts.{name}=1", f"no route can have its own: it applies before the route is known, or to what routes share; set timeouts.{name}, for all")
        for name in Timeouts.__struct_fields__ if name not in RouteTimeoutsConfig.__struct_fields__
    ),
    *(
        (f"limits.{name}=1", f"set limits.{name}, for all")
        for name in Limits.__struct_fields__ if name not in RouteLimitsConfig.__struct_fields__
    ),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_what_cannot_work_is_refused(setting: str, said: str) -> None:
    [found] = load(None, {}, ONE, [*ROUTED, f"routes.r.{setting}"]).problems
    assert said in str(found)
    assert found.key.startswith(f"routes.r.{setting.partition('=')[0]}")


def test_they_may_be_written_with_units_and_the_rest_stays_that_of_all(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        '[timeouts]\nconnect_s = 3\n[upstreams.app]\nurls = ["http://a"]\n[routes.r]\nupstream = "app"\n'
        'timeouts = { response_head_s = "5m" }\n[routes.r.limits]\nrequest_body_bytes = "500 MiB"\n'
        '[routes.plain]\npath = "/plain"\nupstream = "app"\n'
    )
    config = load(file, {}).valid()
    table = routing_table(config)
    route, plain = table.match(b"h", b"/"), table.match(b"h", b"/plain")
    assert route is not None
    assert plain is not None
    assert (route.timeouts.response_head_s, route.timeouts.connect_s) == (300, 3)
    assert (route.limits.request_body_bytes, route.limits.trailer_bytes) == (500 << 20, 16_384)
    assert plain.timeouts is config.timeouts, "the very same object: it tells that nothing is to be changed"
    assert plain.limits is config.limits
    assert plain.upgrades is None


@pytest.mark.parametrize(("own", "for_all"), [(RouteTimeoutsConfig, Timeouts), (RouteLimitsConfig, Limits)])
def test_each_has_one_of_the_same_name_for_all(own: type[msgspec.Struct], for_all: type[msgspec.Struct]) -> None:
    assert set(own.__struct_fields__) <= set(for_all.__struct_fields__)
    assert all(value is msgspec.UNSET for value in msgspec.structs.asdict(own()).values())
