"""What `onehop demo` shows beside its service: what to try, and what the proxy decided about each request."""

from proxy.cli.demo_observer import Observations, demo_lines
from proxy.cli.explain import setup_from
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.decisions import Decisions
from proxy.policy.plans import Forward
from proxy.policy.request_plan import plan
from proxy.telemetry.seen import Seen
from tests.harness.notation import request
from tests.harness.values import exchange_record


def test_the_demo_says_where_to_look() -> None:
    lines = demo_lines("http://127.0.0.1:1234")
    assert any("http://127.0.0.1:1234/hop" in line and "curl" in line for line in lines)


def test_the_page_is_shown_the_plan_that_was_carried_out() -> None:
    config = Config(upstreams={"u": UpstreamConfig(urls=["http://u"])}, routes={"r": RouteConfig(upstream="u")})
    setup, decisions, head = (
        setup_from(config, "192.0.2.1"),
        Decisions(),
        request("GET /a HTTP/1.1|Host: h|Cookie: abc"),
    )
    decided = plan(head, setup.client, setup.routes, setup.settings, b"id1", decisions)
    assert isinstance(decided, Forward)
    observations = Observations()
    record = exchange_record("192.0.2.1", 0.0, "id1", head=head, seen=Seen())
    assert record.seen is not None
    record.seen.request(head, decided.target, decided.fields, decisions)
    observations.observe(record)
    seen = observations.lookup("id1")
    assert seen is not None
    assert (seen.request_line, [tuple(note)[:3] for note in seen.fields[:2]]) == (
        "GET /a HTTP/1.1",
        [("Host", "h", "replaced"), ("Cookie", "*** (3 bytes)", "kept")],
    )
    assert observations.lookup("id2") is None
