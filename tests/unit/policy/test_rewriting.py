"""The target that a service is sent, and what it says of paths turned back."""

import re

import pytest

from proxy.errors import ProtocolError
from proxy.policy.decisions import Decisions
from proxy.policy.rewriting import Replacement, Rewriting, WayBack
from tests.harness.notation import lines, recorded, shown

STRIP = Rewriting(strip=b"/v1")
DEEP = Rewriting(strip=b"/a/b")
ADD = Rewriting(add=b"/in")
BOTH = Rewriting(strip=b"/v1", add=b"/in")


def replacing(pattern: bytes, *to: bytes | int, strip: bytes = b"", add: bytes = b"") -> Rewriting:
    return Rewriting(strip, Replacement(re.compile(pattern), to), add)


USERS = replacing(rb"^/u/([0-9]+)$", b"/users/", 1)
ALL = replacing(rb"^/go(.*)$", b"/x/", 1)
ROOT = replacing(rb"^/go(.*)$", b"/", 1)

TARGETS = [
    # rewriting  the client's target          the service's
    (STRIP,      b"/v1",                      b"/"),
    (STRIP,      b"/v1/",                     b"/"),
    (STRIP,      b"/v1/x",                    b"/x"),
    (STRIP,      b"/v1/x/",                   b"/x/"),
    (STRIP,      b"/v1?q=/v1/../",            b"/?q=/v1/../"),
    (STRIP,      b"/v1/x?",                   b"/x?"),
    (STRIP,      b"/v1/v1/x",                 b"/v1/x"),
    # encoded bytes stay as they are
    (STRIP,      b"/v1/%41%2f%2F%20?%41",     b"/%41%2f%2F%20?%41"),
    (STRIP,      b"/v1/a;b=c,d",              b"/a;b=c,d"),
    (STRIP,      b"/v1/a//b",                 b"/a//b"),
    # the prefix in any spelling that routes know
    (STRIP,      b"/%761/x",                  b"/x"),
    (STRIP,      b"//v1/x",                   b"/x"),
    (STRIP,      b"/./v1/x",                  b"/x"),
    (STRIP,      b"/a/../v1/x",               b"/x"),
    (STRIP,      b"/../v1/x",                 b"/x"),
    (DEEP,       b"/a//%62/x",                b"/x"),
    (DEEP,       b"/a/./b",                   b"/"),
    (DEEP,       b"/a/c/%2e%2e/b/x",          b"/x"),
    # no path under it
    (STRIP,      b"/v1x",                     b"/v1x"),
    (STRIP,      b"/v1/../x",                 b"/v1/../x"),
    (STRIP,      b"/v1/..",                   b"/v1/.."),
    (STRIP,      b"/v1%2fx",                  b"/v1%2fx"),
    (STRIP,      b"*",                        b"*"),
    # never two slashes: `//host` is another target
    (STRIP,      b"/v1//evil/x",              b"/evil/x"),
    (STRIP,      b"/v1////",                  b"/"),
    # dot segments that stay within it stay; those that lead out and in again would be another path without it
    (STRIP,      b"/v1/a/../b",               b"/a/../b"),
    (STRIP,      b"/v1/./b",                  b"/./b"),
    (STRIP,      b"/v1/../v1/b",              b"/b"),
    (STRIP,      b"/v1/a/../../v1/b?q",       b"/b?q"),
    (STRIP,      b"/v1/%2e%2e/v1/b",          b"/b"),
    # a prefix that is added
    (ADD,        b"/",                        b"/in/"),
    (ADD,        b"/x?q",                     b"/in/x?q"),
    (ADD,        b"/%41%2f",                  b"/in/%41%2f"),
    (ADD,        b"//x",                      b"/in/x"),
    (ADD,        b"/a/../x",                  b"/in/a/../x"),
    (ADD,        b"*",                        b"*"),
    # is not left by dot segments
    (ADD,        b"/../x",                    b"/in/x"),
    (ADD,        b"/a/../../x",               b"/in/x"),
    (ADD,        b"/%2e./x",                  b"/in/x"),
    (ADD,        b"/..",                      b"/in/"),
    (BOTH,       b"/v1/x",                    b"/in/x"),
    (BOTH,       b"/v1/../../v1/../x",        b"/in/x"),
    # a pattern sees the normalised path; where it finds nothing, the bytes stay
    (USERS,      b"/u/12?a=/u/1",             b"/users/12?a=/u/1"),
    (USERS,      b"/u/%31",                   b"/users/1"),
    (USERS,      b"//u/x/../1",               b"/users/1"),
    (USERS,      b"//u/%41",                  b"//u/%41"),
    (ALL,        b"/go/a%2fb%20c",            b"/x/a%2Fb%20c"),
    (ALL,        b"/go",                      b"/x/"),
    # no capture makes a host, or a dot segment
    (ROOT,       b"/go/evil.example",         b"/evil.example"),
    (ROOT,       b"/go//evil.example",        b"/evil.example"),
    (replacing(rb"^/go/x(.*)$", b"/a/", 1),   b"/go/x../y", b"/y"),
    (replacing(rb"^/go/x(.*)$", b"/a/", 1, add=b"/in"), b"/go/x../y", b"/in/y"),
    (replacing(rb"^/(a)?(b)$", b"/", 1, b"-", 2), b"/b", b"/-b"),
    (replacing(rb"^/x", b"/y", strip=b"/v1", add=b"/in"), b"/v1/x", b"/in/y"),
]  # fmt: skip


@pytest.mark.parametrize(("rewriting", "target", "expected"), TARGETS)
def test_a_target_is_rewritten(rewriting: Rewriting, target: bytes, expected: bytes) -> None:
    assert rewriting.target(target)[0] == expected


MALFORMED = [
    (STRIP, b"/v1/../v1/%%32e/x"),
    (ADD,   b"/../%%32e%%32e/x"),
    (ALL,   b"/go/%%32e"),
]  # fmt: skip


@pytest.mark.parametrize(("rewriting", "target"), MALFORMED)
def test_a_malformed_percent_that_would_mean_something_else_afterwards_is_refused(
    rewriting: Rewriting, target: bytes
) -> None:
    with pytest.raises(ProtocolError):
        rewriting.target(target)


def test_bytes_that_go_on_as_they_are_may_be_malformed() -> None:
    assert STRIP.target(b"/v1/%%32e%zz") == (b"/%%32e%zz", True)


def back(outside: bytes, inside: bytes) -> WayBack:
    return WayBack(outside, inside, (b"app.internal", b"10.0.0.1:80"), b"Shop.example:8443")


V1 = back(b"/v1", b"")
V1_IN = back(b"/v1", b"/in")
FROM_IN = back(b"", b"/in")

LOCATIONS = [
    # way    what the service says                   what the client is told
    (V1,     b"/login",                              b"/v1/login"),
    (V1,     b"/",                                   b"/v1/"),
    (V1,     b"/a?x=/b#/c",                          b"/v1/a?x=/b#/c"),
    (V1,     b"/%41%2f",                             b"/v1/%41%2f"),
    (V1,     b"http://app.internal/login",           b"/v1/login"),
    (V1,     b"HTTPS://APP.internal",                b"/v1/"),
    (V1,     b"http://10.0.0.1:80/a",                b"/v1/a"),
    (V1,     b"//app.internal/a",                    b"/v1/a"),
    (V1,     b"http://elsewhere.example/a",          b"http://elsewhere.example/a"),
    (V1,     b"//elsewhere.example/a",               b"//elsewhere.example/a"),
    (V1,     b"ftp://app.internal/a",                b"ftp://app.internal/a"),
    (V1,     b"next",                                b"next"),
    (V1,     b"../up",                               b"../up"),
    (V1,     b"?page=2",                             b"?page=2"),
    (V1,     b"",                                    b""),
    (V1,     b"/../a",                               b"/v1/a"),
    (V1,     b"/a/../b",                             b"/v1/a/../b"),
    (V1_IN,  b"/in/../a",                            b"/in/../a"),
    (V1_IN,  b"/x/../in/a",                          b"/v1/a"),
    (V1_IN,  b"/in/a",                               b"/v1/a"),
    (V1_IN,  b"/in",                                 b"/v1"),
    (V1_IN,  b"/other",                              b"/other"),
    (V1_IN,  b"/inner",                              b"/inner"),
    (FROM_IN, b"/in/a",                              b"/a"),
    (FROM_IN, b"/in",                                b"/"),
    (FROM_IN, b"/in//evil.example",                  b"/evil.example"),
    (FROM_IN, b"http://app.internal/in//evil.example", b"/evil.example"),
    (FROM_IN, b"/in/\\evil.example/a\\b",            b"/%5Cevil.example/a\\b"),
    (FROM_IN, b"/in//\\/evil.example",                 b"/%5C/evil.example"),
    (FROM_IN, b"/in/\t/evil.example",                  b"/%09/evil.example"),
]  # fmt: skip


@pytest.mark.parametrize(("way", "said", "told"), LOCATIONS)
def test_a_location_is_turned_back(way: WayBack, said: bytes, told: bytes) -> None:
    assert way.location(said) == told


def test_a_location_with_the_clients_own_host_keeps_it() -> None:
    way = WayBack(b"/v1", b"", (b"shop.example:8443",), b"Shop.example:8443")
    assert way.location(b"https://shop.example:8443/a") == b"https://shop.example:8443/v1/a"


COOKIES = [
    # way    what the service says            what the client is told
    (V1,     "a=1; Path=/",                   "a=1; Path=/v1"),
    (V1,     "a=1; path=/x; Secure",          "a=1; path=/v1/x; Secure"),
    (V1,     "a=1 ;PATH = /x/ ;HttpOnly",     "a=1 ;PATH = /v1/x/;HttpOnly"),
    (V1,     "a=1",                           "a=1"),
    (V1,     "a=1; Path=x",                   "a=1; Path=x"),
    (V1,     "Path=/x; Path=/y",              "Path=/x; Path=/v1/y"),
    (V1_IN,  "a=1; Path=/in/x",               "a=1; Path=/v1/x"),
    (V1_IN,  "a=1; Path=/in",                 "a=1; Path=/v1"),
    (V1_IN,  "a=1; Path=/",                   "a=1; Path=/v1"),
    (V1_IN,  "a=1; Path=/other",              "a=1; Path=/other"),
    (FROM_IN, "a=1; Path=/in/x",              "a=1; Path=/x"),
    (FROM_IN, "a=1; Path=/",                  "a=1; Path=/"),
]  # fmt: skip


@pytest.mark.parametrize(("way", "said", "told"), COOKIES)
def test_the_path_of_a_cookie_is_turned_back(way: WayBack, said: str, told: str) -> None:
    assert shown(way.fields(lines(f"Set-Cookie: {said}"))) == f"Set-Cookie: {told}"


def test_what_is_turned_back_is_recorded_and_other_fields_are_not_looked_at() -> None:
    decisions = Decisions()
    fields = V1.fields(lines("Location: /a|X: /b|content-location: /c|Set-Cookie: a=1"), decisions)
    assert shown(fields) == "Location: /v1/a|X: /b|content-location: /v1/c|Set-Cookie: a=1"
    assert recorded(decisions) == [
        ("Location: /a", "replaced"),
        ("Location: /v1/a", "set"),
        ("content-location: /c", "replaced"),
        ("content-location: /v1/c", "set"),
    ]
