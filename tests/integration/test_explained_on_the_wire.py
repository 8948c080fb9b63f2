"""`[explain]`: who has the secret, and comes from where it may, reads in the response what was decided."""

import re
from typing import Any

import pytest

from proxy.config.access_model import AccessConfig, ForwardAuthConfig
from proxy.config.admin_model import AdminConfig
from proxy.config.explain_model import ExplainConfig
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

SECRET = "correct-horse-battery"
ON = ExplainConfig(secret=SECRET)
ASKING = f"X-Explain-Secret: {SECRET}\r\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nConnection: X-Back\r\nX-Back: 1\r\nSet-Cookie: hunter2\r\nOnehop-Decisions: forged\r\n"
    b"Server-Timing: db;dur=5\r\nContent-Length: 2\r\n\r\nok"
)


async def asked(
    lines: str = ASKING, *, target: str = "/", explain: ExplainConfig = ON, answer: bytes = ANSWER, **settings: Any
) -> tuple[str, list[str], list[bytes]]:
    """The response's head, its lines of decisions, and the heads that the service got."""
    heads: list[bytes] = []
    upstream = ScriptedUpstream(answering(answer, requests=heads))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, explain=explain, **settings) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n".encode())
        head, _ = await peer.response()
    return head.decode(), fields_of(head).get("onehop-decisions", []), heads


async def test_the_response_says_what_was_done_to_request_and_response() -> None:
    head, decisions, heads = await asked(f'{ASKING}Connection: X-Out\r\nX-Out: "1"\r\nCookie: hunter2\r\n')
    begins = decisions.index(next(line for line in decisions if line.startswith("response")))
    said, answered = decisions[:begins], decisions[begins:]
    assert re.fullmatch(
        r'request;received="GET / HTTP/1.1";sent="GET / HTTP/1.1";route="default";upstream="default";'
        r'origin="127.0.0.1:\d+";id="[\w-]+"', said[0],
    )  # fmt: skip
    assert r'stripped;field="X-Out: \"1\"";rule="nominated by Connection (RFC 9110 section 7.6.1)"' in said
    assert 'kept;field="Cookie: *** (7 bytes)";rule="end-to-end"' in said
    assert f'stripped;field="X-Explain-Secret: *** ({len(SECRET)} bytes)";rule="removed by the route\'s rules"' in said
    assert any(line.startswith('set;field="Via: ') for line in said)
    assert answered[0] == 'response;received="HTTP/1.1 200"'
    assert 'stripped;field="X-Back: 1";rule="nominated by Connection (RFC 9110 section 7.6.1)"' in answered
    assert 'kept;field="Set-Cookie: *** (7 bytes)";rule="end-to-end"' in answered
    assert 'replaced;field="Onehop-Decisions: forged";rule="stated anew by this hop"' in answered
    assert "forged" not in decisions
    assert SECRET not in head and "hunter2" not in "".join(decisions)
    assert b"explain" not in heads[0].lower()
    timings = fields_of(head.encode())["server-timing"]
    assert timings[0] == "db;dur=5"
    assert re.fullmatch(r"total;dur=\d+\.\d{3}, connect;dur=\d+\.\d{3}, upstream;dur=\d+\.\d{3}", timings[1])


TOLD_NOTHING = [
    # lines                                          configuration                                   settings
    ("",                                             ON,                                             {}),
    (f"X-Explain-Secret: {SECRET}x\r\n",             ON,                                             {}),
    (f"X-Explain-Secret: {SECRET[:-1]}\r\n",         ON,                                             {}),
    ("X-Explain-Secret:\r\n",                        ON,                                             {}),
    (ASKING,                                         ExplainConfig(secret=SECRET, networks=["192.0.2.0/24"]), {}),
    (f"{ASKING}X-Forwarded-For: 198.51.100.7\r\n",   ON,                                             {"trusted_networks": ["127.0.0.0/8"]}),
    (ASKING,                                         ExplainConfig(secret=SECRET, header="X-My-Token"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "explain", "settings"), TOLD_NOTHING)
async def test_nobody_else_is_told(lines: str, explain: ExplainConfig, settings: dict[str, Any]) -> None:
    head, decisions, heads = await asked(lines, explain=explain, answer=OK, **settings)
    assert decisions == [] and "Server-Timing" not in head
    if explain.header == "X-Explain-Secret":
        assert b"explain" not in heads[0].lower(), "a secret that is nearly right goes no further either"


TOLD = [
    (f"X-My-Token: {SECRET}\r\n",                    ExplainConfig(secret=SECRET, header="X-My-Token"), {}),
    (f"x_explain_secret: a\r\nx-explain-secret: {SECRET}\r\n", ON,                                       {}),
    (f"Connection: X-Explain-Secret\r\n{ASKING}",    ON,                                                 {}),
    (ASKING,                                         ExplainConfig(secret=SECRET, networks=["127.0.0.1"]), {}),
    (f"{ASKING}X-Forwarded-For: 192.0.2.7\r\n",      ExplainConfig(secret=SECRET, networks=["192.0.2.0/24"]), {"trusted_networks": ["127.0.0.0/8"]}),
    (ASKING,                                         ON, {"admin": AdminConfig(listen="", inspector=True)}),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "explain", "settings"), TOLD)
async def test_who_may_ask_is_told(lines: str, explain: ExplainConfig, settings: dict[str, Any]) -> None:
    _, decisions, heads = await asked(lines, explain=explain, **settings)
    assert decisions[0].startswith("request;")
    assert b"secret" not in heads[0].lower() and b"x-my-token" not in heads[0].lower()
    assert SECRET.encode() not in heads[0]


async def test_without_a_secret_the_field_is_like_any_other() -> None:
    _, decisions, heads = await asked(explain=ExplainConfig())
    assert decisions == ["forged"]
    assert ASKING.encode() in heads[0]


async def test_server_timing_may_be_left_out() -> None:
    head, decisions, _ = await asked(explain=ExplainConfig(secret=SECRET, server_timing=False), answer=OK)
    assert decisions and "Server-Timing" not in head


@pytest.mark.parametrize("most", [256, 600, 1200])
async def test_what_there_is_no_room_for_is_counted_and_what_was_kept_goes_first(most: int) -> None:
    lines = "".join(f"X-Kept-{number}: {'x' * 500}\r\n" for number in range(50)) + "Connection: X-Out\r\nX-Out: 1\r\n"
    _, decisions, _ = await asked(ASKING + lines, explain=ExplainConfig(secret=SECRET, field_bytes=most))
    assert sum(len(f"Onehop-Decisions: {line}\r\n") for line in decisions) <= max(most, 400)
    assert decisions[0].startswith("request;")
    assert re.fullmatch(r"left_out;lines=\d+", decisions[-1])
    assert not any(line.startswith("kept") for line in decisions)
    if most == 1200:
        assert any('"X-Out: 1"' in line for line in decisions)
    assert all(len(line) < 600 for line in decisions)


async def test_an_answer_of_our_own_says_so_too() -> None:
    routes = {"app": RouteConfig(upstream="default", path="/app")}
    head, decisions, heads = await asked(target="/none", routes=routes)
    assert head.startswith("HTTP/1.1 404 ") and heads == []
    assert decisions[0].startswith('request;received="GET /none HTTP/1.1";id="')
    assert 'stripped;field="Host: h";rule="went no further: this proxy answered the request"' in decisions
    assert 'answered;error="no_route"' in decisions
    assert any(line.startswith('set;field="Proxy-Status: ') for line in decisions)


async def test_an_upgrade_says_so_too() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-R\r\nUpgrade: websocket\r\nX-R: 1\r\n\r\n"
    lines = f"{ASKING}Connection: Upgrade\r\nUpgrade: websocket\r\n"
    head, decisions, _ = await asked(lines, answer=switch)
    assert head.startswith("HTTP/1.1 101 ")
    assert 'stripped;field="X-R: 1";rule="nominated by Connection (RFC 9110 section 7.6.1)"' in decisions


async def test_no_auth_service_is_told_the_secret() -> None:
    heads: list[bytes] = []
    service = ScriptedUpstream(answering(OK, requests=heads))
    async with service.serving():
        access = AccessConfig(forward_auth=ForwardAuthConfig(upstream="auth", path="/who"))
        upstream = ScriptedUpstream(answering(OK))
        async with upstream.serving():
            upstreams = {
                "default": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream.port}"]),
                "auth": UpstreamConfig(urls=[f"http://127.0.0.1:{service.port}"]),
            }
            routes = {"default": RouteConfig(upstream="default", access=access)}
            _, decisions, _ = await asked(upstreams=upstreams, routes=routes)
    assert decisions
    assert b"explain" not in heads[0].lower()


async def test_no_trailer_takes_the_secret_further() -> None:
    heads: list[bytes] = []
    trailers: list[bytes] = []

    async def serve(peer: Peer) -> None:
        heads.append(await peer.head())
        trailers.append(b"".join((await peer.chunked())[1:]))
        await peer.send(OK)

    upstream = ScriptedUpstream(serve)
    async with upstream.serving(), running_proxy(upstream.port, explain=ON) as proxy, client(proxy.port) as peer:
        await peer.send(
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Explain-Secret, X-B\r\n\r\n"
            b"1\r\na\r\n0\r\nX-Explain-Secret: " + SECRET.encode() + b"\r\nX-B: 1\r\n\r\n"
        )
        await peer.response()
    assert b"X-B: 1" in trailers[0] and b"explain" not in (heads[0] + trailers[0]).lower()


async def test_what_a_route_puts_is_told() -> None:
    rules = FieldRulesConfig(put={"X-Put": "1"})
    routes = {"default": RouteConfig(upstream="default", request_fields=rules, response_fields=rules)}
    _, decisions, _ = await asked(routes=routes)
    assert decisions.count('set;field="X-Put: 1";rule="by the route\'s rules"') == 2
