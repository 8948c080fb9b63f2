"""A head comes in, the fields for the next hop go out. The numbers are those of the project's case table."""

import msgspec
import pytest

from proxy.http1.framing import request_framing
from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, FixedLength, NoBody
from proxy.policy.forwarding import (
    FORBIDDEN_TRAILERS,
    FORWARDED,
    Hop,
    Intent,
    downstream_response,
    interim_response,
    switching_response,
    trailers,
    upstream_request,
)
from proxy.policy.routing import FieldRules
from tests.harness.notation import lines, request, response, shown

UNTRUSTED = Hop(pseudonym=b"me", peer=b"9.9.9.9")
TRUSTED = Hop(pseudonym=b"me", peer=b"9.9.9.9", trusted=True)
INTENT = Intent(authority=b"h", host=b"h", framing=NO_BODY, request_id=b"id1")
DATE = b"Mon, 01 Jan 2026 00:00:00 GMT"

#: What every request from 9.9.9.9 for h says upstream, round the fields that were kept.
FIRST = "Host: h"
OURS = "X-Forwarded-For: 9.9.9.9|X-Forwarded-Host: h|X-Forwarded-Proto: http|X-Request-Id: id1|Via: 1.1 me"


def stated(kept: str = "", ours: str = OURS, last: str = "") -> str:
    return "|".join(part for part in (FIRST, kept, ours, last) if part)


UNTRUSTED_REQUESTS = [
    # head                                                                  fields kept
    ("GET / HTTP/1.1|Host: h",                                              ""),
    # 1: nominated goes, neighbour stays
    ("GET / HTTP/1.1|Host: h|Connection: close, X-Foo|X-Foo: 1|X-Bar: 2",   "X-Bar: 2"),
    # 2 (CVE-2022-31813): a nominated X-Forwarded-For is ours all the same
    ("GET / HTTP/1.1|Host: h|Connection: X-Forwarded-For|X-Forwarded-For: 6.6.6.6", ""),
    # 3 (CVE-2024-45410): what we state cannot be nominated away
    ("GET / HTTP/1.1|Host: h|Connection: X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id", ""),
    ("GET / HTTP/1.1|Host: h|Connection: Via, X-Forwarded-For, Host",       ""),
    ("GET / HTTP/1.1|Host: h|Connection: X-Request-Id|X-Request-Id: 666",   ""),
    # 5 (CVE-2021-33197): an empty Connection line first
    ("GET / HTTP/1.1|Host: h|Connection:|Connection: X-Foo|X-Foo: 1",       ""),
    # 7: nominating Host does nothing
    ("GET / HTTP/1.1|Host: h|Connection: Host",                             ""),
    # 8: end-to-end fields can be nominated
    ("GET / HTTP/1.1|Host: h|Connection: close, Cookie|Cookie: a",          ""),
    ("GET / HTTP/1.1|Host: h|Connection: Cache-Control|Cache-Control: x",   ""),
    # 9: TE without trailers goes nowhere
    ("GET / HTTP/1.1|Host: h|TE: gzip|Connection: TE",                      ""),
    # 10: the standard set
    ("GET / HTTP/1.1|Host: h|Keep-Alive: 1|Proxy-Connection: 1|TE: 1|Trailer: 1|Upgrade: 1|Proxy-Authorization: 1"
     "|Proxy-Authenticate: 1|Proxy-Authentication-Info: 1|HTTP2-Settings: 1|Transfer-Encoding: chunked", ""),
    # 12: h2c
    ("GET / HTTP/1.1|Host: h|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: x", ""),
    # who the client is, is not the client's to say: in no spelling
    ("GET / HTTP/1.1|Host: h|X-Forwarded-For: 6|x_forwarded_for: 6|X-Forwarded_For: 6|X_FORWARDED-FOR: 6", ""),
    ("GET / HTTP/1.1|Host: h|Forwarded: for=6|X-Real-IP: 6|X_Real_IP: 6|X-Forwarded-Port: 6|X-Forwarded-Prefix: /6", ""),
    ("GET / HTTP/1.1|Host: h|X-Forwarded-Host: 6|X-Forwarded-Proto: 6|X-Forwarded-Server: 6|X-Forwarded-Scheme: 6"
     "|X-Forwarded-Ssl: 6|X-Forwarded-By: 6|X-Forwarded-User: 6|X_Request_Id: 6", ""),
    ("GET / HTTP/1.1|Host: h|X-Forwarded-Client-Cert: 6|x_forwarded_email: 6|X-FORWARDED-Fo9r: 6|X-Forwarded: 6", ""),
    # end-to-end fields pass as they stand, in order, with duplicates
    ("GET / HTTP/1.1|B: 1|a: 2|Host: h|B: 3|Max-Forwards: 5",               "B: 1|a: 2|B: 3|Max-Forwards: 5"),
    ("GET / HTTP/1.1|Host: h|X-Forward: 1|Forwarded-For: 2|X: 3",           "X-Forward: 1|Forwarded-For: 2|X: 3"),
    # an expectation that was not understood goes no further: ours is stated from the intent
    ("GET / HTTP/1.1|Host: h|Expect: 100-continue",                         ""),
    # an earlier Via stays before ours
    ("GET / HTTP/1.1|Host: h|Via: 1.0 a, 1.1 b",                            "Via: 1.0 a, 1.1 b"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "kept"), UNTRUSTED_REQUESTS)
def test_a_request_is_stripped_then_stated(notation, kept):
    assert shown(upstream_request(request(notation), UNTRUSTED, INTENT)) == stated(kept)


def test_via_says_the_version_that_was_received():
    # 11: and an HTTP/1.0 request that nominates is stripped like any
    head = request("GET / HTTP/1.0|Host: h|Connection: X-Foo|X-Foo: 1")
    assert shown(upstream_request(head, UNTRUSTED, INTENT)) == stated(ours=OURS.replace("1.1 me", "1.0 me"))


TRUSTED_REQUESTS = [
    # fields after Host                           kept                    For              Host    Proto
    ("",                                          "",                     "9.9.9.9",       "h",    "http"),
    ("X-Forwarded-For: 1.2.3.4",                  "",                     "1.2.3.4, 9.9.9.9", "h", "http"),
    # 6: the chain is re-issued though its field was nominated
    ("Connection: X-Forwarded-For|X-Forwarded-For: 1.2.3.4", "",          "1.2.3.4, 9.9.9.9", "h", "http"),
    ("X-Forwarded-For: 1, 2|x-forwarded-for: 3",  "",                     "1, 2, 3, 9.9.9.9", "h", "http"),
    ("X-Forwarded-For: ,1,, 2 ,|x-forwarded-for: ", "",                   "1, 2, 9.9.9.9", "h",    "http"),
    ("X-Forwarded-Host: |X-Forwarded-Proto:",     "",                     "9.9.9.9",       "h",    "http"),
    ("Connection: x-forwarded-host,X-FORWARDED-PROTO|X-Forwarded-Host: a|X-Forwarded-Proto: b", "", "9.9.9.9", "h", "http"),
    ("X-Forwarded-Host: public|X-Forwarded-Proto: https", "",             "9.9.9.9",       "public", "https"),
    ("X-Forwarded-Port: 443|Forwarded: for=1",    "X-Forwarded-Port: 443|Forwarded: for=1", "9.9.9.9", "h", "http"),
    # an underscore spelling of what we state ourselves is a forgery in transit
    ("X_Forwarded_For: 6|X_Request_Id: 6",        "",                     "9.9.9.9",       "h",    "http"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "kept", "chain", "host", "proto"), TRUSTED_REQUESTS)
def test_a_trusted_peers_word_is_extended(fields, kept, chain, host, proto):
    ours = f"X-Forwarded-For: {chain}|X-Forwarded-Host: {host}|X-Forwarded-Proto: {proto}|X-Request-Id: id1|Via: 1.1 me"
    head = request(f"GET / HTTP/1.1|Host: h|{fields}")
    assert shown(upstream_request(head, TRUSTED, INTENT)) == stated(kept, ours)


INTENTS = [
    # what was understood                                         what is stated last
    ({"framing": FixedLength(0)},                                 "Content-Length: 0"),
    ({"framing": FixedLength(5)},                                 "Content-Length: 5"),
    ({"framing": CHUNKED},                                        "Transfer-Encoding: chunked"),
    ({"framing": FixedLength(5), "expects_continue": True},       "Content-Length: 5|Expect: 100-continue"),
    ({"max_forwards": 0},                                         "Max-Forwards: 0"),
    ({"wants_trailers": True},                                    "Connection: TE|TE: trailers"),  # 9
    ({"upgrade": b"websocket"},                                   "Connection: Upgrade|Upgrade: websocket"),  # 13
    ({"upgrade": b"websocket", "wants_trailers": True},
     "Connection: Upgrade|Upgrade: websocket|Connection: TE|TE: trailers"),
]  # fmt: skip

#: A client that nominates all that we state.
NOMINATING = (
    "POST / HTTP/1.1|Host: h|Connection: Content-Length, Transfer-Encoding, Expect, Max-Forwards, TE, Upgrade, Connection,"
    " Trailer, Via, Host, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id, Forwarded, X-Internal-Auth"
    "|X-Internal-Auth: 1|Content-Length: 99|Expect: 100-continue|Max-Forwards: 9|TE: trailers|Upgrade: websocket"
)


@pytest.mark.parametrize(("understood", "last"), INTENTS)
def test_what_was_understood_is_stated_whatever_is_nominated(understood, last):
    intent = msgspec.structs.replace(INTENT, **understood)
    for head in (request("POST / HTTP/1.1|Host: h"), request(NOMINATING)):
        assert shown(upstream_request(head, UNTRUSTED, intent)) == stated(last=last)


def test_max_forwards_is_counted_down_in_one_line():
    head = request("OPTIONS / HTTP/1.1|Host: h|Max-Forwards: 5")
    intent = msgspec.structs.replace(INTENT, max_forwards=4)
    assert shown(upstream_request(head, UNTRUSTED, intent)) == stated(last="Max-Forwards: 4")


@pytest.mark.parametrize("fields", ["Content-Length: 5", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("nominated", ["Content-Length", "Transfer-Encoding"])
def test_nominating_framing_leaves_the_body_whole(fields, nominated):  # 7
    head = request(f"POST / HTTP/1.1|Host: h|Connection: {nominated}|{fields}")
    intent = msgspec.structs.replace(INTENT, framing=request_framing(head))
    assert shown(upstream_request(head, UNTRUSTED, intent)) == stated(last=fields)


def test_no_field_speaks_of_a_host_that_no_client_named():
    intent = msgspec.structs.replace(INTENT, authority=b"", host=b"inner")
    hop = msgspec.structs.replace(UNTRUSTED, state_forwarded=True)
    said = upstream_request(request("GET / HTTP/1.0|"), hop, intent)
    assert shown(said) == (
        "Host: inner|X-Forwarded-For: 9.9.9.9|X-Forwarded-Proto: http|X-Request-Id: id1"
        "|Forwarded: for=9.9.9.9;proto=http|Via: 1.0 me"
    )


def test_host_is_what_the_upstream_wants_and_the_authority_what_the_client_asked_for():
    intent = msgspec.structs.replace(INTENT, authority=b"public:8080", host=b"inner")
    fields = upstream_request(request("GET http://public:8080/ HTTP/1.1|Host: other"), UNTRUSTED, intent)
    assert fields[0] == (b"Host", b"inner")
    assert (b"X-Forwarded-Host", b"public:8080") in fields


FORWARDED_STATED = [
    # peer            scheme    Forwarded
    (b"9.9.9.9",      b"http",  'for=9.9.9.9;host="h";proto=http'),
    (b"2001:db8::1",  b"https", 'for="[2001:db8::1]";host="h";proto=https'),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "scheme", "value"), FORWARDED_STATED)
@pytest.mark.parametrize("fields", ["", "Connection: Forwarded", "Forwarded: for=6"])
def test_forwarded_is_stated_where_configured(peer, scheme, value, fields):
    hop = Hop(pseudonym=b"me", peer=peer, scheme=scheme, state_forwarded=True)
    outgoing = upstream_request(request(f"GET / HTTP/1.1|Host: h|{fields}"), hop, INTENT)
    assert [line for line in outgoing if line[0].lower() == b"forwarded"] == [(b"Forwarded", value.encode())]
    assert (b"X-Forwarded-Proto", scheme) in outgoing


RULES = FieldRules(remove=frozenset({b"cookie"}), put=((b"X-Auth-User", b"a"),))

RULED = [
    # client's fields                                       kept
    ("",                                                    "X-Auth-User: a"),
    ("Connection: X-Auth-User",                             "X-Auth-User: a"),  # 4 (CVE-2021-32813)
    ("Connection: X-Auth-User|X-Auth-User: root",           "X-Auth-User: a"),
    ("x-auth-user: root|X-Auth-User: root|A: 1",            "A: 1|X-Auth-User: a"),
    ("COOKIE: x|A: 1",                                      "A: 1|X-Auth-User: a"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "kept"), RULED)
def test_what_the_route_puts_wins_over_what_the_client_says(fields, kept):
    assert shown(upstream_request(request(f"GET / HTTP/1.1|Host: h|{fields}"), UNTRUSTED, INTENT, RULES)) == stated(
        kept
    )


ANNOUNCED = [
    # Trailer and Connection                        Trailer, made anew
    ("Trailer: X-A, x-b",                           "Trailer: x-a, x-b"),
    ("Trailer: X-A|Trailer: X-A, X-B",              "Trailer: x-a, x-b"),
    ("Trailer: X-A, X-B|Connection: X-A",           "Trailer: x-b"),
    ("Trailer: Content-Length, Host, Set-Cookie",   ""),
    ("Trailer: X-A|Connection: Trailer",            "Trailer: x-a"),
    ("Trailer:",                                    ""),
    ('Trailer: "X-A"',                              ""),
    ("",                                            ""),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "announced"), ANNOUNCED)
def test_trailers_are_announced_anew_where_they_can_follow(fields, announced):
    head = request(f"POST / HTTP/1.1|Host: h|{fields}")
    chunked = msgspec.structs.replace(INTENT, framing=CHUNKED)
    last = "Transfer-Encoding: chunked" + (f"|{announced}" if announced else "")
    assert shown(upstream_request(head, UNTRUSTED, chunked)) == stated(last=last)
    assert shown(upstream_request(head, UNTRUSTED, INTENT)) == stated()


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
def test_a_response_is_stripped_then_stated(notation, kept):
    outgoing = downstream_response(response(notation), UNTRUSTED, FixedLength(5), DATE, b"keep-alive")
    assert shown(outgoing) == f"{kept}|Via: 1.1 me|Content-Length: 5|Connection: keep-alive"


FRAMED = [
    # framing          connection    stated
    (FixedLength(0),   None,         "Content-Length: 0"),
    (CHUNKED,          None,         "Transfer-Encoding: chunked"),
    (UNTIL_CLOSE,      b"close",     "Connection: close"),
    (NoBody(7),        b"close",     "Content-Length: 7|Connection: close"),
    (NO_BODY,          None,         ""),
]  # fmt: skip


@pytest.mark.parametrize(("framing", "connection", "last"), FRAMED)
def test_a_responses_framing_and_connection_are_made_anew(framing, connection, last):
    head = response("HTTP/1.0 200 OK|Date: d|Content-Length: 99|Connection: keep-alive")
    outgoing = downstream_response(head, UNTRUSTED, framing, DATE, connection)
    assert shown(outgoing) == "Date: d|Via: 1.0 me" + (f"|{last}" if last else "")


@pytest.mark.parametrize(("fields", "announced"), ANNOUNCED)
@pytest.mark.parametrize("with_trailers", [True, False])
def test_a_client_is_told_of_trailers_only_where_it_gets_them(fields, announced, with_trailers):
    head = response(f"HTTP/1.1 200 OK|Date: d|{fields}")
    outgoing = downstream_response(head, UNTRUSTED, CHUNKED, DATE, None, with_trailers=with_trailers)
    expected = f"|{announced}" if announced and with_trailers else ""
    assert shown(outgoing) == "Date: d|Via: 1.1 me|Transfer-Encoding: chunked" + expected


ASKED = [
    ("HTTP/1.1 426 Upgrade Required|Upgrade: WebSocket, tls/1.0", "Connection: Upgrade|Upgrade: websocket"),
    ("HTTP/1.1 426 Upgrade Required|Upgrade: h2c",                ""),
    ("HTTP/1.1 426 Upgrade Required",                             ""),
    ("HTTP/1.1 200 OK|Upgrade: websocket",                        ""),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "asked"), ASKED)
def test_a_426_asks_for_what_we_would_switch_to(notation, asked):
    head = response(notation + "|Connection: Upgrade|Date: d")
    outgoing = downstream_response(head, UNTRUSTED, NO_BODY, DATE, None, upgrades=frozenset({b"websocket"}))
    assert shown(outgoing) == "Date: d|Via: 1.1 me" + (f"|{asked}" if asked else "")


def test_a_routes_rules_apply_to_responses():
    head = response("HTTP/1.1 200 OK|Date: d|Server: x|Connection: X-A|x-frame-options: ALLOW")
    rules = FieldRules(frozenset({b"server"}), ((b"X-Frame-Options", b"DENY"), (b"X-A", b"1")))
    outgoing = downstream_response(head, UNTRUSTED, NO_BODY, DATE, None, rules)
    assert shown(outgoing) == "Date: d|X-Frame-Options: DENY|X-A: 1|Via: 1.1 me"


INTERIM = [
    # 16
    ("HTTP/1.1 103 Early Hints|Connection: X-Foo|X-Foo: 1|Link: </a>",   "Link: </a>"),
    ("HTTP/1.1 100 Continue|Content-Length: 168|Keep-Alive: x",          ""),
    ("HTTP/1.1 102 Processing|Transfer-Encoding: chunked|A: 1|A: 2",     "A: 1|A: 2"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "expected"), INTERIM)
def test_an_interim_response_is_only_stripped(notation, expected):
    assert shown(interim_response(response(notation))) == expected


def test_a_101_carries_one_canonical_connection_of_our_own():  # 17
    head = response(
        "HTTP/1.1 101 Switching Protocols|Connection: Upgrade, X-R|connection: keep-alive|X-R: 1|UPGRADE: WebSocket"
        "|Sec-WebSocket-Accept: x|Content-Length: 5"
    )
    assert shown(switching_response(head, UNTRUSTED, b"websocket")) == (
        "Sec-WebSocket-Accept: x|Via: 1.1 me|Connection: Upgrade|Upgrade: websocket"
    )


TRAILERS = [
    # trailer section                                     nominated   goes on
    ("X-A: 1|x-b: 2|X-A: 3",                              "",         "X-A: 1|x-b: 2|X-A: 3"),
    ("X-T: v|X-A: 1",                                     "x-t",      "X-A: 1"),  # 18
    ("Content-Length: 5|X-A: 1",                          "",         "X-A: 1"),  # 18
    ("X-Forwarded-For: 6|X_Forwarded_For: 6|X-A: 1",      "",         "X-A: 1"),  # 18
    ("X-Forwarded-Fo9r: 6|x_forwarded_email: 6|X-A: 1",   "",         "X-A: 1"),  # a find of the fuzz oracle
    ("Transfer-Encoding: chunked|HOST: x|Trailer: y",     "",         ""),
    ("Connection: X-A|X-A: 1",                            "",         "X-A: 1"),
    ("Authorization: x|Cookie: x|Set-Cookie: x|Proxy-Authorization: x|WWW-Authenticate: x", "", ""),
    ("Server-Timing: a|ETag: b|Digest: c|Grpc-Status: 0", "",         "Server-Timing: a|ETag: b|Digest: c|Grpc-Status: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "nominated", "expected"), TRAILERS)
def test_only_harmless_trailers_go_on(section, nominated, expected):
    assert shown(trailers(lines(section), frozenset(nominated.encode().split()))) == expected


@pytest.mark.parametrize(
    "name",
    ["content-length", "transfer-encoding", "host", "x-forwarded-for", "x_forwarded_host", "x-request-id", "forwarded",
     "authorization", "cookie", "set-cookie", "www-authenticate", "x-real-ip", "content-type", "cache-control",
     "max-forwards", "expect", "via", "connection"],
)  # fmt: skip
def test_the_trailers_that_no_one_may_send(name):
    assert name.encode() in FORBIDDEN_TRAILERS


@pytest.mark.parametrize("name", ["x-forwarded-for", "x_forwarded_for", "x-forwarded_for", "x_forwarded-for"])
def test_every_mix_of_hyphen_and_underscore_is_one_name(name):
    assert name.encode() in FORWARDED


def records(verdicts):
    return [(shown([verdict.line]), verdict.outcome) for verdict in verdicts]


def test_the_verdicts_of_a_request_tell_every_line():
    head = request(
        "GET / HTTP/1.1|Host: h|Connection: close, X-Foo|X-Foo: 1|TE: trailers|X-Forwarded-For: 6|X-Request-Id: 6"
        "|Cookie: c|x-auth-user: root|Accept: */*"
    )
    verdicts = []
    told = upstream_request(head, UNTRUSTED, INTENT, RULES, verdicts)
    assert told == upstream_request(head, UNTRUSTED, INTENT, RULES), "telling changes nothing"
    assert records(verdicts) == [
        ("Host: h", "replaced"),
        ("Connection: close, X-Foo", "stripped"),
        ("X-Foo: 1", "stripped"),
        ("TE: trailers", "stripped"),
        ("X-Forwarded-For: 6", "untrusted"),
        ("X-Request-Id: 6", "replaced"),
        ("Cookie: c", "stripped"),
        ("x-auth-user: root", "replaced"),
        ("Accept: */*", "kept"),
        ("X-Auth-User: a", "set"),
        ("Host: h", "set"),
        *((line, "set") for line in OURS.split("|")),
    ]


def test_every_line_that_goes_out_was_kept_or_set():
    head = request("GET / HTTP/1.1|Host: h|A: 1|Connection: B|B: 2|A: 1|x-auth-user: root")
    verdicts = []
    told = upstream_request(head, UNTRUSTED, INTENT, RULES, verdicts)
    assert sorted(verdict.line for verdict in verdicts if verdict.outcome in ("kept", "set")) == sorted(told)


def test_a_trusted_peers_word_is_replaced_and_not_called_a_forgery():
    verdicts = []
    head = request("GET / HTTP/1.1|Host: h|X-Forwarded-For: 1.2.3.4")
    upstream_request(head, TRUSTED, INTENT, None, verdicts)
    assert records(verdicts)[1] == ("X-Forwarded-For: 1.2.3.4", "replaced")


def test_a_nominated_end_to_end_field_is_told_as_nominated():  # 8
    verdicts = []
    upstream_request(
        request("GET / HTTP/1.1|Host: h|Connection: close, Cookie|Cookie: a"), UNTRUSTED, INTENT, None, verdicts
    )
    assert "nominated" in verdicts[2].rule


def test_the_verdicts_of_a_response_tell_every_line():
    head = response("HTTP/1.1 200 OK|Content-Length: 5|Connection: Set-Cookie|Set-Cookie: a|Server: x|ETag: e|Host: h")
    rules = FieldRules(remove=frozenset({b"server"}))
    verdicts = []
    told = downstream_response(head, UNTRUSTED, FixedLength(5), DATE, None, rules, verdicts)
    assert told == downstream_response(head, UNTRUSTED, FixedLength(5), DATE, None, rules)
    assert records(verdicts) == [
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


def test_no_trailer_brings_in_what_the_routes_rules_put_or_remove():
    rules = FieldRules(remove=frozenset({b"x-gone"}), put=((b"X-Auth-User", b"a"),))
    kept = trailers(lines("x-auth-user: root|X-Gone: 1|X-T: 1"), frozenset(), rules)
    assert shown(kept) == "X-T: 1"


def test_an_empty_chain_of_a_trusted_peer_makes_no_empty_member():
    head = request("GET / HTTP/1.1|Host: h|X-Forwarded-For:")
    hop = Hop(b"onehop-1", b"192.0.2.1", trusted=True)
    intent = Intent(b"h", b"h", NO_BODY, b"id")
    assert (b"X-Forwarded-For", b"192.0.2.1") in upstream_request(head, hop, intent)


def test_what_a_trusted_peer_nominates_ends_here_but_for_its_chain_of_addresses():
    head = request(
        "GET / HTTP/1.1|Host: h|Connection: X-Forwarded-For, x-forwarded-host, X-Forwarded-Proto"
        "|X-Forwarded-For: 1.2.3.4|X-Forwarded-Host: evil|X-Forwarded-Proto: gopher"
    )
    hop = Hop(b"onehop-1", b"192.0.2.1", trusted=True)
    sent = upstream_request(head, hop, Intent(b"h", b"h", NO_BODY, b"id"))
    assert (b"X-Forwarded-For", b"1.2.3.4, 192.0.2.1") in sent
    assert (b"X-Forwarded-Host", b"h") in sent
    assert (b"X-Forwarded-Proto", b"http") in sent
