"""Tracing: what the next hop is told of a trace (W3C Trace Context), and the log."""

from typing import Any

import pytest

from proxy.cli.explain import explain_request, setup_from
from proxy.config.access_model import AccessConfig, ForwardAuthConfig
from proxy.config.model import Config
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.tracing_model import TracingConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.telemetry.access_lines import trace_id
from tests.harness.collector import collector
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, fields_of
from tests.harness.traced import PARENT, TRACE, asked, asking, stated, tracing_proxy

TRUSTING: dict[str, Any] = {"trusted_networks": ["127.0.0.1/32"]}


async def sent_to_upstream(*lines: str, percent: float = 100.0, on: bool = True, **settings: Any) -> tuple[bytes, int]:
    """What an upstream was sent, and how many spans a collector was told of."""
    requests: list[bytes] = []
    async with collector() as collecting, ScriptedUpstream(answering(OK, requests=requests)).serving() as app:
        if on:
            async with tracing_proxy(collecting, app.port, percent=percent, **settings) as proxy:
                await asked(proxy, asking(*lines))
        else:
            async with running_proxy(app.port, **settings) as proxy:
                await asked(proxy, asking(*lines))
        return requests[0], len(collecting.spans)


async def test_with_tracing_off_the_context_passes_untouched() -> None:
    context = [f"Traceparent: 00-{TRACE}-{PARENT}-ff", "traceparent: nonsense", "TraceState: a=1", "tracestate: b=2"]
    request, _ = await sent_to_upstream(*context, on=False)
    assert all(line.encode() + b"\r\n" in request for line in context)


BELIEVED = [
    # trusted, its flags, percent   flags that go on, spans
    (True,  "01", 0.0,   "01", 2),
    (True,  "00", 100.0, "00", 0),
    (True,  "03", 0.0,   "03", 2),  # Level 2: the trace id is random
    (True,  "fd", 0.0,   "01", 2),  # flags that nobody knows end here
    (False, "01", 0.0,   "00", 0),  # a client that is not trusted decides nothing
    (False, "00", 100.0, "01", 2),
    (False, "02", 100.0, "03", 2),
]  # fmt: skip


@pytest.mark.parametrize(("trusted", "flags", "percent", "go_on", "spans"), BELIEVED)
async def test_a_trace_goes_on_and_a_trusted_peer_decides_whether_it_is_recorded(
    trusted: bool, flags: str, percent: float, go_on: str, spans: int
) -> None:
    lines = [f"TraceParent: 00-{TRACE}-{PARENT}-{flags}", "tracestate: a=1", "TraceState: b=2"]
    request, told = await sent_to_upstream(*lines, percent=percent, **(TRUSTING if trusted else {}))
    trace, span, stated_flags = stated(request)
    assert (trace, stated_flags, told) == (TRACE, go_on, spans)
    assert span != PARENT
    assert fields_of(request)["tracestate"] == ["a=1", "b=2"]


NO_CONTEXT = [
    [],
    [f"traceparent: 00-{TRACE}-{PARENT}-01", f"traceparent: 00-{TRACE}-{PARENT}-01"],
    [f"traceparent: 00-{TRACE.upper()}-{PARENT}-01"],
    [f"traceparent: 00-{'0' * 32}-{PARENT}-01"],
    [f"traceparent: ff-{TRACE}-{PARENT}-01"],
]


@pytest.mark.parametrize("lines", NO_CONTEXT)
async def test_what_is_no_context_is_followed_by_a_new_trace_without_the_state_of_others(lines: list[str]) -> None:
    request, told = await sent_to_upstream(*lines, "tracestate: a=1", **TRUSTING)
    trace, _, flags = stated(request)
    assert (flags, told) == ("01", 2)
    assert trace != TRACE
    assert "tracestate" not in fields_of(request)


async def test_sample_percent_0_records_nothing_and_says_so() -> None:
    request, told = await sent_to_upstream(percent=0.0)
    assert (stated(request)[2], told) == ("00", 0)


async def test_a_nominated_context_ends_here_and_ours_is_stated() -> None:
    lines = ["Connection: traceparent, tracestate", f"traceparent: 00-{TRACE}-{PARENT}-01", "tracestate: a=1"]
    request, _ = await sent_to_upstream(*lines)
    assert stated(request)[1] != PARENT
    assert "tracestate" not in fields_of(request)


async def test_a_route_that_removes_the_context_sends_none() -> None:
    rules = FieldRulesConfig(remove=["traceparent"])
    routes = {"default": RouteConfig(upstream="default", request_fields=rules)}
    request, told = await sent_to_upstream(f"traceparent: 00-{TRACE}-{PARENT}-01", routes=routes)
    assert b"traceparent" not in request.lower()
    assert told == 2


async def test_the_log_names_the_trace() -> None:
    requests: list[bytes] = []
    async with (
        collector() as collecting,
        ScriptedUpstream(answering(OK, requests=requests)).serving() as app,
        tracing_proxy(collecting, app.port, percent=0.0) as proxy,
    ):
        await asked(proxy, asking())
        await proxy.records.wait_for(1)
    assert trace_id(proxy.records[0]) == stated(requests[0])[0]


async def test_an_auth_service_is_told_that_it_belongs_to_the_exchange_and_a_client_decides_nothing() -> None:
    asked_auth: list[bytes] = []
    requests: list[bytes] = []
    auth = ScriptedUpstream(answering(OK, requests=asked_auth))
    app = ScriptedUpstream(answering(OK, requests=requests))
    async with collector() as collecting, auth.serving(), app.serving():
        upstreams = {
            "auth": UpstreamConfig(urls=[f"http://127.0.0.1:{auth.port}"]),
            "app": UpstreamConfig(urls=[f"http://127.0.0.1:{app.port}"]),
        }
        access = AccessConfig(forward_auth=ForwardAuthConfig(upstream="auth", path="/verify"))
        routes = {"r": RouteConfig(upstream="app", access=access)}
        async with tracing_proxy(collecting, percent=0.0, upstreams=upstreams, routes=routes) as proxy:
            await asked(proxy, asking(f"traceparent: 00-{TRACE}-{PARENT}-01"))
    (trace, span, flags), (_, attempt, _) = stated(asked_auth[0]), stated(requests[0])
    assert (trace, flags) == (TRACE, "00")
    assert len({span, attempt, PARENT}) == 3


def test_explain_says_what_the_next_hop_is_told_of_the_trace() -> None:
    config = Config(
        tracing=TracingConfig(otlp_endpoint="http://127.0.0.1:4318"),
        upstreams={"a": UpstreamConfig(urls=["http://127.0.0.1:1"])},
        routes={"a": RouteConfig(upstream="a")},
    )
    head = asking(f"traceparent: 00-{TRACE}-{PARENT}-01")
    explained = explain_request(head, setup_from(config, "192.0.2.1"))
    assert f"traceparent: 00-{TRACE}-" in explained.sent
    assert PARENT not in explained.sent
