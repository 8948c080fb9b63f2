"""The request target in its four forms (RFC 9112 §3.2)."""

import pytest

from proxy.errors import ProtocolError
from proxy.http1.message import RequestTarget
from proxy.http1.target import has_authority_form, request_target
from tests.harness.notation import request

TARGETS = [
    # method    target                          origin-form              authority (Host is h)
    # origin-form: the bytes go on untouched
    ("GET",     "/",                            "/",                     "h"),
    ("GET",     "/a/b?c=d",                     "/a/b?c=d",              "h"),
    ("GET",     "//",                           "//",                    "h"),
    ("GET",     "//evil/x",                     "//evil/x",              "h"),
    ("GET",     "/../x/./y",                    "/../x/./y",             "h"),
    ("GET",     "/%2F%2e%00%zz",                "/%2F%2e%00%zz",         "h"),
    ("GET",     "/?",                           "/?",                    "h"),
    ("GET",     "/a?b?c",                       "/a?b?c",                "h"),
    ("GET",     "/http://x/",                   "/http://x/",            "h"),
    ("GET",     "/;a=b,c:@\\^`{}<>\"",         "/;a=b,c:@\\^`{}<>\"",  "h"),
    ("GET",     "/*",                           "/*",                    "h"),
    ("OPTIONS", "/",                            "/",                     "h"),
    # asterisk-form
    ("OPTIONS", "*",                            "*",                     "h"),
    # absolute-form wins over Host, and is forwarded in origin-form
    ("GET",     "http://x/",                    "/",                     "x"),
    ("GET",     "http://x",                     "/",                     "x"),
    ("GET",     "http://x?q",                   "/?q",                   "x"),
    ("GET",     "http://x?",                    "/?",                    "x"),
    ("GET",     "http://x/a//../%2F?b?/c",      "/a//../%2F?b?/c",       "x"),
    ("GET",     "http://x//",                   "//",                    "x"),
    ("GET",     "http://x:8080/a",              "/a",                    "x:8080"),
    ("GET",     "http://x:/a",                  "/a",                    "x:"),
    ("GET",     "https://x/a",                  "/a",                    "x"),
    ("GET",     "HtTpS://X.Example/a",          "/a",                    "X.Example"),
    ("GET",     "http://[::1]:80/a",            "/a",                    "[::1]:80"),
    ("OPTIONS", "http://x",                     "*",                     "x"),  # RFC 9112 §3.2.4
    ("OPTIONS", "http://x/",                    "/",                     "x"),
    ("OPTIONS", "http://x?q",                   "/?q",                   "x"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "origin_form", "authority"), TARGETS)
def test_a_target_becomes_origin_form_and_authority(method: str, target: str, origin_form: str, authority: str) -> None:
    head = request(f"{method} {target} HTTP/1.1|Host: h")
    secured = target.lower().startswith("https:")
    assert request_target(head) == RequestTarget(origin_form.encode(), authority.encode(), secured)


REFUSED = [
    # method     target                 status
    ("CONNECT",  "h:443",               405),
    ("CONNECT",  "/",                   405),
    ("GET",      "*",                   400),
    ("POST",     "*",                   400),
    ("OPTIONS",  "**",                  400),
    ("GET",      "h:80",                400),
    ("GET",      "x",                   400),
    ("GET",      "?q",                  400),
    ("GET",      "../x",                400),
    ("GET",      "\\x",                 400),
    ("GET",      "%2F",                 400),
    ("GET",      "#",                   400),
    ("GET",      "/a#b",                400),  # CVE-2021-32779
    ("GET",      "/#",                  400),
    ("GET",      "/a?b#c",              400),
    ("GET",      "http://x/#f",         400),
    ("GET",      "http://x#f",          400),
    ("GET",      "http://u@x/",         400),
    ("GET",      "http://u:p@x/",       400),
    ("GET",      "http://x@/",          400),
    ("GET",      "http://",             400),
    ("GET",      "http:///a",           400),
    ("GET",      "http://?q",           400),
    ("GET",      "http://:80/",         400),
    ("GET",      "http://x:y/",         400),
    ("GET",      "http://x:123456/",    400),
    ("GET",      "http://x:80:80/",     400),
    ("GET",      "http://x\\y/",        400),
    ("GET",      "http://[::1/",        400),
    ("GET",      "http://[::1]x/",      400),
    ("GET",      "http:/x/",            400),
    ("GET",      "http:x",              400),
    ("GET",      "ftp://x/",            400),
    ("GET",      "httpss://x/",         400),
    ("GET",      "ws://x/",             400),
    ("GET",      "file:///etc/passwd",  400),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "status"), REFUSED)
def test_a_target_in_none_of_the_forms_is_refused(method: str, target: str, status: int) -> None:
    head = request(f"{method} {target} HTTP/1.1|Host: h")
    with pytest.raises(ProtocolError) as refused:
        request_target(head)
    assert refused.value.status == status


def test_a_1_0_request_without_host_has_no_authority() -> None:
    assert request_target(request("GET /a HTTP/1.0|")) == RequestTarget(b"/a", b"")


AUTHORITIES = [
    ("h", True), ("h:80", True), ("h:", True), ("H.Example.", True), ("127.0.0.1:8080", True), ("a_b", True),
    ("xn--mnchen-3ya.de", True), ("a%20b", True), ("a!$&'()*+;=~", True), ("h:65535", True), ("h:65536", False), ("[::1]", True),
    ("[::1]:80", True), ("[::ffff:1.2.3.4]:80", True), ("-", True),
    ("", False), (":80", False), ("a b", False), ("a@b", False), ("u:p@h", False), ("a,b", False), ("h:80:80", False),
    ("h:-1", False), ("h:+80", False), ("h:8o", False), ("h:123456", False), ("::1", False), ("[::1", False),
    ("::1]", False), ("[]", False), ("[::1]80", False), ("[::1%25eth0]", False), ("[h]", False), ("h/", False),
    ("h?", False), ("h#", False), ("h\\", False), ('"h"', False), ("<h>", False), ("h\t", False), (" h", False),
    ("a%zz", False), ("a%", False), ("a%2", False), ("[:::::]", False), ("[1.2.3.4]", False), ("[::]", True),
    ("[v1.a:b]", True), ("[VF.!]:80", True), ("[v.a]", False), ("[v1.]", False), ("[v1]", False), ("[vg.a]", False),
    ("[v1.a%20]", False), ("[v1.a]b", False),
    ("h\n", False), ("h\x00", False), ("h\xe4", False), ("http://h", False),
]  # fmt: skip


@pytest.mark.parametrize(("authority", "valid"), AUTHORITIES)
def test_an_authority_is_host_and_port_and_nothing_else(authority: str, valid: bool) -> None:
    assert has_authority_form(authority.encode("latin-1")) is valid
