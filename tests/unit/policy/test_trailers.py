"""Which trailer fields go on, and which are announced."""

import pytest

from proxy.http1.message import CHUNKED
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import CLIENT_IDENTITY
from proxy.policy.response_fields import final_response_fields
from proxy.policy.trailers import FORBIDDEN_TRAILERS, announcement, forwarded_trailers
from tests.harness.notation import lines, request, response, shown
from tests.harness.values import replaced
from tests.unit.policy.test_request_fields import SEMANTICS, UNTRUSTED, sent, stated
from tests.unit.policy.test_response_fields import DATE, SETTINGS

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
def test_trailers_are_announced_anew_where_they_can_follow(fields: str, announced: str) -> None:
    head = request(f"POST / HTTP/1.1|Host: h|{fields}")
    chunked = replaced(SEMANTICS, framing=CHUNKED)
    last = "Transfer-Encoding: chunked" + (f"|{announced}" if announced else "")
    assert shown(sent(head, UNTRUSTED, chunked)) == stated(last=last)
    assert shown(sent(head, UNTRUSTED, SEMANTICS)) == stated()


@pytest.mark.parametrize(("fields", "announced"), ANNOUNCED)
@pytest.mark.parametrize("with_trailers", [True, False])
def test_a_client_is_told_of_trailers_only_where_it_gets_them(fields: str, announced: str, with_trailers: bool) -> None:
    head = response(f"HTTP/1.1 200 OK|Date: d|{fields}")
    outgoing = final_response_fields(head, SETTINGS, CHUNKED, lambda: DATE, None, with_trailers=with_trailers)
    expected = f"|{announced}" if announced and with_trailers else ""
    assert shown(outgoing.lines()) == "Date: d|Via: 1.1 me|Transfer-Encoding: chunked" + expected


TRAILERS = [
    # trailer section                                     nominated   goes on
    ("X-A: 1|x-b: 2|X-A: 3",                              "",         "X-A: 1|x-b: 2|X-A: 3"),
    ("X-T: v|X-A: 1",                                     "x-t",      "X-A: 1"),  # 18
    ("Content-Length: 5|X-A: 1",                          "",         "X-A: 1"),  # 18
    ("X-Forwarded-For: 6|X_Forwarded_For: 6|X-A: 1",      "",         "X-A: 1"),  # 18
    ("X-Forwarded-Fo9r: 6|x_forwarded_email: 6|X-A: 1",   "",         "X-A: 1"),  # a find of the fuzz oracle
    ("Transfer-Encoding: chunked|HOST: x|Trailer: y",     "",         ""),
    ("X.Forwarded.For: 6|Content.Length: 5|x.forwarded_any: 6|X.B: 1", "", "X.B: 1"),
    ("SCRIPT_NAME: /x|Content_Length: 5|Proxy: p|CDN-Loop: a|X_B: 1", "", "X_B: 1"),
    ("Proxy_Authorization: x|Keep_Alive: 1|HTTP2.Settings: a|Client_Cert: a|Content_Type: t|X-B: 1", "", "X-B: 1"),
    ("Connection: X-A|X-A: 1",                            "",         "X-A: 1"),
    ("Authorization: x|Cookie: x|Set-Cookie: x|Proxy-Authorization: x|WWW-Authenticate: x", "", ""),
    ("Server-Timing: a|ETag: b|Digest: c|Grpc-Status: 0", "",         "Server-Timing: a|ETag: b|Digest: c|Grpc-Status: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "nominated", "expected"), TRAILERS)
def test_only_harmless_trailers_go_on(section: str, nominated: str, expected: str) -> None:
    assert shown(forwarded_trailers(lines(section), frozenset(nominated.encode().split()))) == expected


@pytest.mark.parametrize(
    "name",
    ["content-length", "transfer-encoding", "host", "x-forwarded-for", "x_forwarded_host", "x-request-id", "forwarded",
     "authorization", "cookie", "set-cookie", "www-authenticate", "x-real-ip", "content-type", "cache-control",
     "max-forwards", "expect", "via", "connection"],
)  # fmt: skip
def test_the_trailers_that_no_one_may_send(name: str) -> None:
    assert name.encode() in FORBIDDEN_TRAILERS


@pytest.mark.parametrize("name", ["x-forwarded-for", "x_forwarded_for", "x-forwarded_for", "x_forwarded-for"])
def test_every_mix_of_hyphen_and_underscore_is_one_name(name: str) -> None:
    assert name.encode() in CLIENT_IDENTITY


def test_no_trailer_brings_in_what_the_routes_rules_put_or_remove() -> None:
    rules = FieldRules(remove=frozenset({b"x-gone"}), put=((b"X-Auth-User", b"a"),))
    kept = forwarded_trailers(lines("x-auth-user: root|X-Gone: 1|X-T: 1"), frozenset(), rules)
    assert shown(kept) == "X-T: 1"


def test_a_requests_trailers_with_underscores_are_dropped_where_configured() -> None:
    kept = forwarded_trailers(lines("X_A: 1|X-A: 2"), frozenset(), drop_underscores=True)
    assert shown(kept) == "X-A: 2"
    head = request("POST / HTTP/1.1|Host: h|Trailer: X_A, X-A")
    assert announcement(head, None, drop_underscores=True) == [(b"Trailer", b"x-a")]
