"""What becomes of a request: forwarded, answered here, or refused."""

import pytest

from proxy.http1.message import CHUNKED, NO_BODY, BodyFraming, FixedLength
from proxy.policy.decisions import Decisions
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.local_responses import LocalResponse
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import Forward, Plan, Refused
from proxy.policy.request_plan import plan
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from proxy.policy.settings import Limits
from tests.harness.notation import recorded, request, shown

UNTRUSTED = ClientIdentity(b"9.9.9.9")
TRUSTED = ClientIdentity(b"9.9.9.9", trusted=True)
SETTINGS = PlanSettings(
    pseudonym=b"me",
    upgrades={b"websocket": b"websocket", b"spdy/3.1": b"SPDY/3.1", b"tcp": b"tcp"},
    passes=3,
)
ROUTES = RoutingTable([
    Route("site", "web", b"h", default_host=b"web:8000", limits=Limits(request_body_bytes=100)),
    Route("api", "api", b"h", b"/api", request_fields=FieldRules(put=((b"X-Env", b"prod"),)), host_override=b"api.internal"),
    Route("old", "web", b"", b"/old", default_host=b"web:8000"),
    Route("read", "web", b"h", b"/read", methods=frozenset({b"GET", b"HEAD"}), headers=((b"x-env", b"a"),)),
    Route("r", "web", b"m", methods=frozenset({b"GET"})),
])  # fmt: skip


def planned(notation: str, client: ClientIdentity = UNTRUSTED, decisions: Decisions | None = None) -> Plan:
    return plan(request(notation), client, ROUTES, SETTINGS, b"id1", decisions)


def forwarded(notation: str, client: ClientIdentity = UNTRUSTED, decisions: Decisions | None = None) -> Forward:
    decided = planned(notation, client, decisions)
    assert isinstance(decided, Forward), decided
    return decided


FORWARDED = [
    # request                                              route   target       Host
    ("GET / HTTP/1.1|Host: h",                             "site", b"/",        b"h"),
    ("GET /api/x?y HTTP/1.1|Host: h",                      "api",  b"/api/x?y", b"api.internal"),
    ("GET http://h:80/a HTTP/1.1|Host: other",             "site", b"/a",       b"h:80"),
    ("GET http://h HTTP/1.1|Host: other",                  "site", b"/",        b"h"),
    ("OPTIONS * HTTP/1.1|Host: h",                         "site", b"*",        b"h"),
    ("GET /read/x HTTP/1.1|Host: h|X-Env: a",              "read", b"/read/x",  b"h"),
    ("PUT /read/x HTTP/1.1|Host: h|X-Env: a",              "site", b"/read/x",  b"h"),
    ("GET /read/x HTTP/1.1|Host: h|Connection: X-Env|X-Env: a", "read", b"/read/x",  b"h"),
    ("GET /old HTTP/1.0",                                  "old",  b"/old",     b"web:8000"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "route", "target", "host"), FORWARDED)
def test_a_request_goes_to_its_route_with_the_host_that_its_upstream_is_told(
    notation: str, route: str, target: bytes, host: bytes
) -> None:
    decided = forwarded(notation)
    assert (decided.route.name, decided.target, decided.fields[0]) == (route, target, (b"Host", host))


ERRORS = [
    # request                                                             status  code
    ("GET https://h/ HTTP/1.1|Host: h",                                   421,    "misdirected"),
    ("GET / HTTP/1.1|Host: h|Via: 1.1 me, 1.1 a, 1.1 me|Via: 1.1 me",     508,    "loop_detected"),
    ("GET / HTTP/1.1|Host: h|Via: 1.1 me|CDN-Loop: me, b, me;x=1",        508,    "loop_detected"),
    ("GET / HTTP/1.1|Host: other",                                        404,    "no_route"),
    ("POST /x HTTP/1.1|Host: m",                                          405,    "method_not_allowed"),
    ("GET / HTTP/1.1|Host: h|Expect: miracles",                           417,    "expectation_failed"),
    ("OPTIONS / HTTP/1.1|Host: h|Max-Forwards: x",                        400,    "bad_request"),
    ("CONNECT h:1 HTTP/1.1|Host: h",                                      405,    "method_not_allowed"),
    ("GET /#x HTTP/1.1|Host: h",                                          400,    "bad_request"),
    ("POST / HTTP/1.1|Host: h|Content-Length: 101",                       413,    "body_too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "status", "code"), ERRORS)
def test_a_request_is_refused_with_a_status_and_a_code(notation: str, status: int, code: str) -> None:
    decided = planned(notation)
    assert isinstance(decided, Refused)
    assert (decided.error.status, decided.error.code) == (status, code)


def test_an_https_target_goes_on_where_a_trusted_gateway_says_it() -> None:
    assert isinstance(planned("GET https://h/ HTTP/1.1|Host: h", TRUSTED), Forward)


@pytest.mark.parametrize("via", ["1.1 me", "1.1 me, 1.1 me", "1.1 me, 1.1 you, 1.1 me, 1.1 you"])
def test_a_service_may_call_another_one_through_this_proxy(via: str) -> None:
    decided = forwarded(f"GET / HTTP/1.1|Host: h|Via: {via}")
    assert [value for name, value in decided.fields if name == b"Via"] == [via.encode(), b"1.1 me"]


LOCAL = [
    # request                                              status  body
    ("OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0",         200,    b""),
    ("OPTIONS / HTTP/1.1|Host: nowhere|Max-Forwards: 0",   200,    b""),
    ("TRACE / HTTP/1.1|Host: h|Max-Forwards: 0",           200,    b"TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "status", "body"), LOCAL)
def test_max_forwards_0_is_answered_here(notation: str, status: int, body: bytes) -> None:
    decided = planned(notation)
    assert isinstance(decided, LocalResponse)
    assert (decided.status, decided.body) == (status, body)


FRAMINGS = [
    # request                                              as it came       said upstream
    ("GET / HTTP/1.1|Host: h",                             NO_BODY,         ""),
    ("POST / HTTP/1.1|Host: h",                            NO_BODY,         "Content-Length: 0"),
    ("POST / HTTP/1.1|Host: h|Content-Length: 100",        FixedLength(100), "Content-Length: 100"),
    ("GET / HTTP/1.1|Host: h|Content-Length: 0",           FixedLength(0),  "Content-Length: 0"),
    ("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked", CHUNKED,         "Transfer-Encoding: chunked"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "framing", "stated"), FRAMINGS)
def test_the_bodys_framing_is_read_and_stated_anew(notation: str, framing: BodyFraming, stated: str) -> None:
    decided = forwarded(notation)
    assert decided.framing == framing
    delimiting = [line for line in decided.fields if line[0] in (b"Content-Length", b"Transfer-Encoding")]
    assert shown(delimiting) == stated


EXPECTATIONS = [
    ("POST / HTTP/1.1|Host: h|Content-Length: 1|Expect: 100-continue", True),
    ("POST / HTTP/1.1|Host: h|Content-Length: 0|Expect: 100-continue", False),
    ("GET / HTTP/1.1|Host: h|Expect: 100-continue",                    False),
    ("POST /old HTTP/1.0|Content-Length: 1|Expect: 100-continue",      False),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "expected"), EXPECTATIONS)
def test_a_client_waits_for_100_continue_only_before_a_body(notation: str, expected: bool) -> None:
    decided = forwarded(notation)
    assert decided.expects_continue is expected
    assert ((b"Expect", b"100-continue") in decided.fields) is expected


UPGRADES = [
    # request                                                                        protocol
    ("GET / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: WebSocket",                b"websocket"),
    ("GET / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: foo/2, spdy/3.1",          b"SPDY/3.1"),
    ("GET / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: SPDY",                     None),
    ("GET / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: websocket/13",             None),
    ("POST / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: tcp|Content-Length: 2",   b"tcp"),
    ("POST / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: TCP|Transfer-Encoding: chunked", b"tcp"),
    ("POST / HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: h2c|Content-Length: 2",   None),
    ("GET / HTTP/1.1|Host: h|Upgrade: websocket",                                    None),
    ("GET / HTTP/1.1|Host: h|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c",      None),
    ("GET /old HTTP/1.0|Connection: Upgrade|Upgrade: websocket",                     None),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "protocol"), UPGRADES)
def test_an_upgrade_goes_on_to_a_protocol_that_is_configured(notation: str, protocol: bytes | None) -> None:
    decided = forwarded(notation)
    assert decided.upgrade == protocol
    assert [value for name, value in decided.fields if name == b"Upgrade"] == ([] if protocol is None else [protocol])


TRAILERS = [
    ("GET / HTTP/1.1|Host: h|TE: trailers",        True),
    ("GET / HTTP/1.1|Host: h|TE: gzip, Trailers",  True),
    ("GET / HTTP/1.1|Host: h|TE: gzip",            False),
    ("GET / HTTP/1.1|Host: h",                     False),
    ("GET /old HTTP/1.0|Host: x|TE: trailers",     False),  # chunks are not for it, so trailers are not
]  # fmt: skip


@pytest.mark.parametrize(("notation", "wanted"), TRAILERS)
def test_trailers_are_asked_for_where_they_could_go_on(notation: str, wanted: bool) -> None:
    assert forwarded(notation).wants_trailers is wanted


def test_the_decisions_of_a_plan_are_what_it_sends() -> None:
    decisions = Decisions()
    notation = "GET /api HTTP/1.1|Host: h|Connection: X-A|X-A: 1|X-Env: prod|B: 2"
    decided = forwarded(notation, decisions=decisions)
    assert decided == forwarded(notation), "recording changes nothing"
    assert recorded(decisions)[:6] == [
        ("Host: h", "replaced"),
        ("Connection: X-A", "stripped"),
        ("X-A: 1", "stripped"),
        ("X-Env: prod", "replaced"),
        ("B: 2", "kept"),
        ("X-Env: prod", "set"),
    ]
    going_on = sorted(line for line, verdict in recorded(decisions) if verdict in ("kept", "set"))
    assert going_on == sorted(shown([line]) for line in decided.fields)
