"""A response's head comes in, the fields for the client go out. The numbers are those of the project's case table."""

import pytest

from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, BodyFraming, FixedLength, NoBody
from proxy.http1.parsing.fast_path import parse_plain_response
from proxy.http1.section import Outgoing
from proxy.policy.decisions import Decisions
from proxy.policy.field_rules import FieldRules
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.response_fields import (
    final_response_fields,
    interim_response_fields,
    switching_response_fields,
)
from tests.harness.notation import recorded, response, shown

SETTINGS = PlanSettings(pseudonym=b"me", upgrades={b"websocket": b"websocket"})
DATE = b"Mon, 01 Jan 2026 00:00:00 GMT"


RESPONSES = [
    # head                                                                         kept
    ("HTTP/1.1 200 OK|Date: d",                                                    "Date: d"),
    # 15
    ("HTTP/1.1 200 OK|Date: d|Connection: close, Set-Cookie, X-Foo|Set-Cookie: a|X-Foo: 1|ETag: e", "Date: d|ETag: e"),
    ("HTTP/1.1 200 OK|Date: d|Connection: keep-alive|Keep-Alive: timeout=5",       "Date: d"),
    # 20: an origin's own 407
    ("HTTP/1.1 407 P|Date: d|Proxy-Authenticate: Basic|WWW-Authenticate: Basic",   "Date: d|WWW-Authenticate: Basic"),
    ("HTTP/1.1 200 OK|Date: d|Content-Length: 9|Connection: Content-Length, Via",  "Date: d"),
    ("HTTP/1.1 200 OK|Date: d|Transfer-Encoding: chunked|Trailer: X|TE: x|Upgrade: h2c", "Date: d"),
    ("HTTP/1.1 200 OK|B: 1|Set-Cookie: a|Date: d|Set-Cookie: b|b: 1",              "B: 1|Set-Cookie: a|Date: d|Set-Cookie: b|b: 1"),
    ("HTTP/1.1 200 OK|Date: d|Via: 1.1 x|X-Forwarded-For: f|Host: h",              "Date: d|Via: 1.1 x|X-Forwarded-For: f|Host: h"),
    ("HTTP/1.1 200 OK|A: 1",                                                       f"A: 1|Date: {DATE.decode()}"),
    ("HTTP/1.1 200 OK|Connection: Date|Date: d",                                   f"Date: {DATE.decode()}"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "kept"), RESPONSES)
def test_a_response_is_stripped_then_stated(notation: str, kept: str) -> None:
    outgoing = final_response_fields(response(notation), SETTINGS, FixedLength(5), lambda: DATE, b"keep-alive")
    assert shown(outgoing.lines()) == f"{kept}|Via: 1.1 me|Content-Length: 5|Connection: keep-alive"


FRAMED = [
    # framing          connection    stated
    (FixedLength(0),   None,         "Content-Length: 0"),
    (CHUNKED,          None,         "Transfer-Encoding: chunked"),
    (UNTIL_CLOSE,      b"close",     "Connection: close"),
    (NoBody(7),        b"close",     "Content-Length: 7|Connection: close"),
    (NO_BODY,          None,         ""),
]  # fmt: skip


@pytest.mark.parametrize(("framing", "connection", "last"), FRAMED)
def test_a_responses_framing_and_connection_are_made_anew(
    framing: BodyFraming, connection: bytes | None, last: str
) -> None:
    head = response("HTTP/1.0 200 OK|Date: d|Content-Length: 99|Connection: keep-alive")
    outgoing = final_response_fields(head, SETTINGS, framing, lambda: DATE, connection)
    assert shown(outgoing.lines()) == "Date: d|Via: 1.0 me" + (f"|{last}" if last else "")


ASKED = [
    ("HTTP/1.1 426 Upgrade Required|Upgrade: WebSocket, tls/1.0", "Connection: Upgrade|Upgrade: websocket"),
    ("HTTP/1.1 426 Upgrade Required|Upgrade: h2c",                ""),
    ("HTTP/1.1 426 Upgrade Required",                             ""),
    ("HTTP/1.1 200 OK|Upgrade: websocket",                        ""),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "asked"), ASKED)
def test_a_426_asks_for_what_we_would_switch_to(notation: str, asked: str) -> None:
    head = response(notation + "|Connection: Upgrade|Date: d")
    outgoing = final_response_fields(head, SETTINGS, NO_BODY, lambda: DATE, None)
    assert shown(outgoing.lines()) == "Date: d|Via: 1.1 me" + (f"|{asked}" if asked else "")


def test_a_routes_rules_apply_to_responses() -> None:
    head = response("HTTP/1.1 200 OK|Date: d|Server: x|Connection: X-A|x-frame-options: ALLOW")
    rules = FieldRules(frozenset({b"server"}), ((b"X-Frame-Options", b"DENY"), (b"X-A", b"1")))
    outgoing = final_response_fields(head, SETTINGS, NO_BODY, lambda: DATE, None, rules)
    assert shown(outgoing.lines()) == "Date: d|X-Frame-Options: DENY|X-A: 1|Via: 1.1 me"


INTERIM = [
    # 16
    ("HTTP/1.1 103 Early Hints|Connection: X-Foo|X-Foo: 1|Link: </a>",   "Link: </a>"),
    ("HTTP/1.1 100 Continue|Content-Length: 168|Keep-Alive: x",          ""),
    ("HTTP/1.1 102 Processing|Transfer-Encoding: chunked|A: 1|A: 2",     "A: 1|A: 2"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "expected"), INTERIM)
def test_an_interim_response_is_only_stripped(notation: str, expected: str) -> None:
    assert shown(interim_response_fields(response(notation)).lines()) == expected


def test_a_101_carries_one_canonical_connection_of_our_own() -> None:  # 17
    head = response(
        "HTTP/1.1 101 Switching Protocols|Connection: Upgrade, X-R|connection: keep-alive|X-R: 1|UPGRADE: WebSocket"
        "|Sec-WebSocket-Accept: x|Content-Length: 5"
    )
    assert shown(switching_response_fields(head, SETTINGS, b"websocket").lines()) == (
        "Sec-WebSocket-Accept: x|Via: 1.1 me|Connection: Upgrade|Upgrade: websocket"
    )


def test_the_decisions_of_a_response_tell_every_line() -> None:
    head = response("HTTP/1.1 200 OK|Content-Length: 5|Connection: Set-Cookie|Set-Cookie: a|Server: x|ETag: e|Host: h")
    rules = FieldRules(remove=frozenset({b"server"}))
    decisions = Decisions()
    told = final_response_fields(head, SETTINGS, FixedLength(5), lambda: DATE, None, rules, decisions).lines()
    assert told == final_response_fields(head, SETTINGS, FixedLength(5), lambda: DATE, None, rules).lines()
    assert recorded(decisions) == [
        ("Content-Length: 5", "replaced"),
        ("Connection: Set-Cookie", "stripped"),
        ("Set-Cookie: a", "stripped"),
        ("Server: x", "stripped"),
        ("ETag: e", "kept"),
        ("Host: h", "kept"),
        (f"Date: {DATE.decode()}", "set"),
        ("Via: 1.1 me", "set"),
        ("Content-Length: 5", "set"),
    ]


def test_responses_with_one_section_share_what_is_stated_behind_it() -> None:
    def sent(first_line: bytes, settings: PlanSettings, connection: bytes | None = None) -> Outgoing:
        parsed = parse_plain_response(first_line + b"\r\nDate: d\r\nX-Shared: 1\r\nContent-Length: 5\r\n\r\n")
        assert parsed is not None
        head = parsed[0]
        return final_response_fields(head, settings, FixedLength(5), lambda: DATE, connection)

    other = PlanSettings(pseudonym=b"other")
    for _ in range(3):  # the section is remembered from the second one on
        ok = sent(b"HTTP/1.1 200 OK", SETTINGS)
        assert ok.wire == b"Date: d\r\nX-Shared: 1\r\nVia: 1.1 me\r\nContent-Length: 5\r\n"
        assert sent(b"HTTP/1.1 404 Not Found", other).wire.endswith(b"Via: 1.1 other\r\nContent-Length: 5\r\n")
        assert sent(b"HTTP/1.0 200 OK", SETTINGS).wire.endswith(b"Via: 1.0 me\r\nContent-Length: 5\r\n")
        closing = sent(b"HTTP/1.1 200 OK", SETTINGS, b"close")
        assert closing.wire.endswith(b"Content-Length: 5\r\nConnection: close\r\n")
    assert sent(b"HTTP/1.1 404 Not Found", SETTINGS) is sent(b"HTTP/1.1 200 OK", SETTINGS)
