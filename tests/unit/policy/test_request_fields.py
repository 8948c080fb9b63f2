"""A request's head comes in, the fields for the upstream go out. The numbers are those of the project's case table."""

from typing import Any

import pytest

from proxy.http1.fields import Fields
from proxy.http1.framing import request_framing
from proxy.http1.message import CHUNKED, NO_BODY, FixedLength, RequestHead
from proxy.policy.decisions import Decisions
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import RequestSemantics
from proxy.policy.request_fields import upstream_request_fields
from tests.harness.notation import recorded, request, shown
from tests.harness.values import replaced

UNTRUSTED = ClientIdentity(b"9.9.9.9")
TRUSTED = ClientIdentity(b"9.9.9.9", trusted=True)
SETTINGS = PlanSettings(pseudonym=b"me")
STATING_FORWARDED = PlanSettings(pseudonym=b"me", state_forwarded=True)
SEMANTICS = RequestSemantics(authority=b"h", host=b"h", framing=NO_BODY, request_id=b"id1")


def sent(
    head: RequestHead,
    client: ClientIdentity,
    semantics: RequestSemantics,
    rules: FieldRules | None = None,
    decisions: Decisions | None = None,
    settings: PlanSettings = SETTINGS,
) -> Fields:
    return upstream_request_fields(head, client, semantics, settings, rules, decisions)[0]


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
    # nor may it set what a service takes for variables of its own
    # PHP reads `.` as `_`
    ("GET / HTTP/1.1|Host: h|X.Forwarded.For: 6|X.Forwarded-Host: 6|x_real.ip: 6|X.Request.Id: 6|X.Any: 1", "X.Any: 1"),
    ("GET / HTTP/1.1|Host: h|Content.Length: 6|Transfer.Encoding: chunked|Transfer_Encoding: chunked|Script.Name: 6", ""),
    ("GET / HTTP/1.1|Host: h|SCRIPT_NAME: /x|PATH_INFO: /y|script-name: z|Remote_User: root|Proxy: http://evil", "script-name: z"),
    ("GET / HTTP/1.1|Host: h|Content_Length: 5|TRANSFER_ENCODING: chunked|Query_String: x|Content-Type: t", "Content-Type: t"),
    ("GET / HTTP/1.1|Host: h|Proxy_Authorization: 6|Proxy.Connection: 6|KEEP_ALIVE: 6|HTTP2_Settings: 6|Proxy_Authenticate: 6"
     "|Proxy-Authentication_Info: 6|Content_Type: 6|Max_Forwards: 6|CDN.Loop: 6|Proxy_Foo: 3", "Proxy_Foo: 3"),
    ("GET / HTTP/1.1|Host: h|X_Request_Id: 6|X_Any: 1|_: 2|Proxy-Foo: 3",   "X_Any: 1|_: 2|Proxy-Foo: 3"),
    # end-to-end fields pass as they stand, in order, with duplicates
    ("GET / HTTP/1.1|B: 1|a: 2|Host: h|B: 3|Max-Forwards: 5",               "B: 1|a: 2|B: 3|Max-Forwards: 5"),
    ("GET / HTTP/1.1|Host: h|X-Forward: 1|Forwarded-For: 2|X: 3",           "X-Forward: 1|Forwarded-For: 2|X: 3"),
    # an expectation that was not understood goes no further: ours is stated from the semantics
    ("GET / HTTP/1.1|Host: h|Expect: 100-continue",                         ""),
    # an earlier Via stays before ours
    ("GET / HTTP/1.1|Host: h|Via: 1.0 a, 1.1 b",                            "Via: 1.0 a, 1.1 b"),
]  # fmt: skip


@pytest.mark.parametrize(("notation", "kept"), UNTRUSTED_REQUESTS)
def test_a_request_is_stripped_then_stated(notation: str, kept: str) -> None:
    assert shown(sent(request(notation), UNTRUSTED, SEMANTICS)) == stated(kept)


def test_via_says_the_version_that_was_received() -> None:
    # 11: and an HTTP/1.0 request that nominates is stripped like any
    head = request("GET / HTTP/1.0|Host: h|Connection: X-Foo|X-Foo: 1")
    assert shown(sent(head, UNTRUSTED, SEMANTICS)) == stated(ours=OURS.replace("1.1 me", "1.0 me"))


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
    ("X-Forwarded-Host: public:8080, inner|X-Forwarded-Proto: https, http", "", "9.9.9.9", "public:8080", "https"),
    ('X-Forwarded-Host: a b|X-Forwarded-Proto: h"', "",                   "9.9.9.9",       "h",    "http"),
    ("X-Forwarded-Host: <script>|X-Forwarded-Proto: javascript:x", "",    "9.9.9.9",       "h",    "http"),
    # what is no scheme says nothing; of a list, the first is the client's
    ("X-Forwarded-Proto: https, http",            "",                     "9.9.9.9",       "h",    "https"),
    ("X-Forwarded-Proto: wss",                    "",                     "9.9.9.9",       "h",    "wss"),
    ("X-Forwarded-Proto: https://evil/",          "",                     "9.9.9.9",       "h",    "http"),
    ('X-Forwarded-Proto: "https"',                "",                     "9.9.9.9",       "h",    "http"),
    ("X-Forwarded-Proto: https evil",             "",                     "9.9.9.9",       "h",    "http"),
    ("X-Forwarded-Proto: ,https",                 "",                     "9.9.9.9",       "h",    "http"),
    ("X-Forwarded-Proto: 6",                      "",                     "9.9.9.9",       "h",    "http"),
    ("X-Forwarded-Port: 443|Forwarded: for=1",    "X-Forwarded-Port: 443|Forwarded: for=1", "9.9.9.9", "h", "http"),
    ("SCRIPT_NAME: /app|PATH_INFO: /x|Remote_User: a", "SCRIPT_NAME: /app|PATH_INFO: /x|Remote_User: a", "9.9.9.9", "h", "http"),
    # what a gateway passes on unseen is its client's: httpoxy, and other spellings of what ends here or delimits the body
    ("Proxy: http://evil|PROXY: x|X-Proxy: 1",    "X-Proxy: 1",           "9.9.9.9",       "h",    "http"),
    ("Transfer_Encoding: chunked|Content_Length: 5|Content.Length: 6|Content_Type: t", "", "9.9.9.9", "h", "http"),
    ("Proxy_Authorization: Basic a|Proxy.Connection: close|Keep_Alive: 1|HTTP2_Settings: a|CDN_Loop: a", "", "9.9.9.9", "h", "http"),
    ("Proxy_Authenticate: a|Proxy_Authentication-Info: a|Max_Forwards: 9", "", "9.9.9.9",  "h",    "http"),
    # and of what a gateway says
    ("X-Real-IP: 1|X_Real_IP: 6|X_Real.IP: 6",    "X-Real-IP: 1",         "9.9.9.9",       "h",    "http"),
    ("Client-Cert: :YQ==:|Client_Cert: :Yg==:|client_cert_chain: :Yg==:", "Client-Cert: :YQ==:", "9.9.9.9", "h", "http"),
    ("X-Forwarded-User: a|X_Forwarded_User: root|X-Forwarded_Email: root|X.Forwarded.Any: 6", "X-Forwarded-User: a", "9.9.9.9", "h", "http"),
    # an underscore spelling of what we state ourselves is a forgery in transit
    ("X.Forwarded.For: 6|X.Request_Id: 6",        "",                     "9.9.9.9",       "h",    "http"),
    ("X_Forwarded_For: 6|X_Request_Id: 6",        "",                     "9.9.9.9",       "h",    "http"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "kept", "chain", "host", "proto"), TRUSTED_REQUESTS)
def test_a_trusted_peers_word_is_extended(fields: str, kept: str, chain: str, host: str, proto: str) -> None:
    ours = f"X-Forwarded-For: {chain}|X-Forwarded-Host: {host}|X-Forwarded-Proto: {proto}|X-Request-Id: id1|Via: 1.1 me"
    head = request(f"GET / HTTP/1.1|Host: h|{fields}")
    assert shown(sent(head, TRUSTED, SEMANTICS)) == stated(kept, ours)


SEMANTICSS = [
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


@pytest.mark.parametrize(("understood", "last"), SEMANTICSS)
def test_what_was_understood_is_stated_whatever_is_nominated(understood: dict[str, Any], last: str) -> None:
    semantics = replaced(SEMANTICS, **understood)
    for head in (request("POST / HTTP/1.1|Host: h"), request(NOMINATING)):
        assert shown(sent(head, UNTRUSTED, semantics)) == stated(last=last)


def test_max_forwards_is_counted_down_in_one_line() -> None:
    head = request("OPTIONS / HTTP/1.1|Host: h|Max-Forwards: 5")
    semantics = replaced(SEMANTICS, max_forwards=4)
    assert shown(sent(head, UNTRUSTED, semantics)) == stated(last="Max-Forwards: 4")


@pytest.mark.parametrize("fields", ["Content-Length: 5", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("nominated", ["Content-Length", "Transfer-Encoding"])
def test_nominating_framing_leaves_the_body_whole(fields: str, nominated: str) -> None:  # 7
    head = request(f"POST / HTTP/1.1|Host: h|Connection: {nominated}|{fields}")
    semantics = replaced(SEMANTICS, framing=request_framing(head))
    assert shown(sent(head, UNTRUSTED, semantics)) == stated(last=fields)


def test_no_field_speaks_of_a_host_that_no_client_named() -> None:
    semantics = replaced(SEMANTICS, authority=b"", host=b"inner")
    said = sent(request("GET / HTTP/1.0|"), UNTRUSTED, semantics, settings=STATING_FORWARDED)
    assert shown(said) == (
        "Host: inner|X-Forwarded-For: 9.9.9.9|X-Forwarded-Proto: http|X-Request-Id: id1"
        "|Forwarded: for=9.9.9.9;proto=http|Via: 1.0 me"
    )


def test_host_is_what_the_upstream_wants_and_the_authority_what_the_client_asked_for() -> None:
    semantics = replaced(SEMANTICS, authority=b"public:8080", host=b"inner")
    fields = sent(request("GET http://public:8080/ HTTP/1.1|Host: other"), UNTRUSTED, semantics)
    assert fields[0] == (b"Host", b"inner")
    assert (b"X-Forwarded-Host", b"public:8080") in fields


FORWARDED_STATED = [
    # peer            scheme    Forwarded
    (b"9.9.9.9",      b"http",  'for=9.9.9.9;host="h";proto=http'),
    (b"2001:db8::1",  b"https", 'for="[2001:db8::1]";host="h";proto=https'),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "scheme", "value"), FORWARDED_STATED)
@pytest.mark.parametrize("fields", ["", "Connection: Forwarded", "Forwarded: for=6"])
def test_forwarded_is_stated_where_configured(peer: bytes, scheme: bytes, value: str, fields: str) -> None:
    client = ClientIdentity(peer, scheme=scheme)
    outgoing = sent(request(f"GET / HTTP/1.1|Host: h|{fields}"), client, SEMANTICS, settings=STATING_FORWARDED)
    assert [line for line in outgoing if line[0].lower() == b"forwarded"] == [(b"Forwarded", value.encode())]
    assert (b"X-Forwarded-Proto", scheme) in outgoing


def test_without_via_another_mark_of_this_hop_goes_on() -> None:
    fields = sent(
        request("GET / HTTP/1.1|Host: h|Via: 1.1 a|CDN-Loop: b"), UNTRUSTED, SEMANTICS,
        settings=PlanSettings(pseudonym=b"me", state_via=False),
    )  # fmt: skip
    assert shown(fields) == stated("Via: 1.1 a|CDN-Loop: b", OURS.replace("Via: 1.1 me", "CDN-Loop: me"))


WITHOUT_VIA = FieldRules(remove=frozenset({b"via", b"cdn-loop"}))


@pytest.mark.parametrize(("state_via", "mark"), [(True, "Via: 1.1 me"), (False, "CDN-Loop: me")])
@pytest.mark.parametrize(
    ("said", "times"), [("", 1), ("Via: 1.1 a", 1), ("Via: 1.1 a, 1.0 me", 2), ("CDN-Loop: x, me", 2)]
)
def test_a_route_that_removes_via_leaves_what_loops_are_counted_by(
    state_via: bool, mark: str, said: str, times: int
) -> None:
    settings = PlanSettings(pseudonym=b"me", state_via=state_via)
    fields = sent(request(f"GET / HTTP/1.1|Host: h|{said}"), UNTRUSTED, SEMANTICS, WITHOUT_VIA, settings=settings)
    assert [line for line in shown(fields).split("|") if line.startswith(("Via", "CDN-Loop"))] == [mark] * times


@pytest.mark.parametrize("client", [UNTRUSTED, TRUSTED])
def test_names_with_underscores_are_dropped_where_configured_but_for_the_routes_own(client: ClientIdentity) -> None:
    head = request("GET / HTTP/1.1|Host: h|X_A: 1|X-A: 2|x_auth-user: root|_: 3")
    rules = FieldRules(put=((b"X_Auth_User", b"a"),))
    settings = PlanSettings(pseudonym=b"me", drop_underscores=True)
    decisions = Decisions()
    assert shown(sent(head, client, SEMANTICS, rules, decisions, settings)) == stated("X-A: 2|X_Auth_User: a")
    assert recorded(decisions)[:6] == [
        ("Host: h", "replaced"), ("X_A: 1", "stripped"), ("X-A: 2", "kept"), ("x_auth-user: root", "stripped"),
        ("_: 3", "stripped"), ("X_Auth_User: a", "set"),
    ]  # fmt: skip


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
def test_what_the_route_puts_wins_over_what_the_client_says(fields: str, kept: str) -> None:
    assert shown(sent(request(f"GET / HTTP/1.1|Host: h|{fields}"), UNTRUSTED, SEMANTICS, RULES)) == stated(kept)


def test_an_empty_chain_of_a_trusted_peer_makes_no_empty_member() -> None:
    head = request("GET / HTTP/1.1|Host: h|X-Forwarded-For:")
    client = ClientIdentity(b"192.0.2.1", trusted=True)
    semantics = RequestSemantics(b"h", b"h", NO_BODY, b"id")
    assert (b"X-Forwarded-For", b"192.0.2.1") in sent(head, client, semantics)


def test_what_a_trusted_peer_nominates_ends_here_but_for_its_chain_of_addresses() -> None:
    head = request(
        "GET / HTTP/1.1|Host: h|Connection: X-Forwarded-For, x-forwarded-host, X-Forwarded-Proto"
        "|X-Forwarded-For: 1.2.3.4|X-Forwarded-Host: evil|X-Forwarded-Proto: gopher"
    )
    client = ClientIdentity(b"192.0.2.1", trusted=True)
    outgoing = sent(head, client, RequestSemantics(b"h", b"h", NO_BODY, b"id"))
    assert (b"X-Forwarded-For", b"1.2.3.4, 192.0.2.1") in outgoing
    assert (b"X-Forwarded-Host", b"h") in outgoing
    assert (b"X-Forwarded-Proto", b"http") in outgoing
