"""What a route answers itself: where a redirect leads, whatever a client says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ProtocolError
from proxy.policy.answers import FixedAnswer, Redirect

HTTPS = Redirect((b"https://", "host", "target"), 308)
TARGET = Redirect(("target",), 302)
PATH = Redirect(("path",), 302)

LOCATIONS = [
    # redirect                                       authority          target           Location
    (HTTPS,                                          b"h.example:8080", b"/a?b=c",       b"https://h.example/a?b=c"),
    (HTTPS,                                          b"[::1]:8080",     b"/",            b"https://[::1]/"),
    (HTTPS,                                          b"H.Example.",     b"/",            b"https://h.example/"),
    (HTTPS,                                          b"h",              b"//evil/x",     b"https://h//evil/x"),
    (HTTPS,                                          b"h",              b"*",            b"https://h/"),
    (Redirect((b"http://", "authority", b"/x"), 301), b"h:8080",        b"/a",           b"http://h:8080/x"),
    (Redirect((b"https://new.example", "path"), 301), b"h",             b"/a%2Fb?c",     b"https://new.example/a%2Fb"),
    (Redirect((b"/x?from=", "path", b"&", "query"), 302), b"h",         b"/a?b=c&d",     b"/x?from=/a&b=c&d"),
    (Redirect((b"/x?", "query"), 302),               b"h",              b"/a",           b"/x?"),
    (TARGET,                                         b"",               b"/a?b",         b"/a?b"),
    # no open redirect, however a browser reads it
    (TARGET,                                         b"h",              b"//evil",       b"/evil"),
    (TARGET,                                         b"h",              b"////evil?/",   b"/evil?/"),
    (TARGET,                                         b"h",              b"/\\evil",      b"/%5Cevil"),
    (PATH,                                           b"h",              b"//evil?x",     b"/evil"),
    (Redirect((b"/", "query"), 302),                 b"h",              b"/?/evil",      b"/evil"),
    (Redirect((b"/", "path"), 302),                  b"h",              b"/evil",        b"/evil"),
    # what is no part of a URI is encoded
    (TARGET,                                         b"h",              b"/\xe4<\">{|}^`", b"/%E4%3C%22%3E%7B%7C%7D%5E%60"),
]  # fmt: skip


@pytest.mark.parametrize(("redirect", "authority", "target", "location"), LOCATIONS)
def test_a_redirect_leads_where_the_configuration_says(
    redirect: Redirect, authority: bytes, target: bytes, location: bytes
) -> None:
    assert redirect.answer(authority, target) == ([(b"Location", location)], b"")


def test_a_redirect_to_the_clients_host_needs_one() -> None:
    with pytest.raises(ProtocolError) as raised:
        HTTPS.location(b"", b"/")
    assert raised.value.status == 400
    assert Redirect((b"https://h", "path"), 308).location(b"", b"/x") == b"https://h/x"


@given(st.binary().map(lambda rest: b"/" + rest))
def test_whatever_a_client_asks_for_makes_one_line_and_no_other_host(target: bytes) -> None:
    for location in (TARGET.location(b"h", target), PATH.location(b"h", target)):
        assert location[:1] == b"/"
        assert location[1:2] not in (b"/", b"\\")
    for redirect in (TARGET, HTTPS):
        assert all(0x21 <= byte <= 0x7E for byte in redirect.location(b"h", target))
    assert HTTPS.location(b"h", target).startswith(b"https://h/")


def test_a_fixed_answer_names_its_type_where_it_has_a_body() -> None:
    assert FixedAnswer(503, b"text/plain", b"x").answer(b"h", b"/") == ([(b"Content-Type", b"text/plain")], b"x")
    assert FixedAnswer(204, b"text/plain", b"").answer(b"h", b"/") == ([], b"")
