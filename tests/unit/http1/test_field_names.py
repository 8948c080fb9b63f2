"""The table of special names: the sets that derive from it are written out again, so that no name vanishes unseen."""

import pytest

from proxy.http1.field_names import TRAITS, Trait, canonical_name, is_secret, names, spellings
from proxy.http1.masking import shown_value, target_without_userinfo

SETS = [
    (Trait.HOP_BY_HOP,
     "connection http2-settings keep-alive proxy-authenticate proxy-authentication-info proxy-authorization "
     "proxy-connection te trailer transfer-encoding upgrade"),
    (Trait.FRAMING, "content-length transfer-encoding"),
    (Trait.AUTHORITY, "host"),
    (Trait.CLIENT_IDENTITY, "client-cert client-cert-chain forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip"),
    (Trait.STATED_ABOUT_CLIENT, "x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id"),
    (Trait.STATED_IN_REQUEST,
     "cdn-loop client-cert expect forwarded max-forwards via x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id"),
    (Trait.STATED_IN_RESPONSE, "date via"),
    (Trait.NOT_IN_TRAILERS,
     "age authentication-info authorization cache-control cdn-loop client-cert client-cert-chain connection content-encoding content-length content-location "
     "content-range content-type cookie date expect expires forwarded host if-match if-modified-since if-none-match "
     "if-range if-unmodified-since location max-forwards pragma proxy range retry-after set-cookie te trailer "
     "transfer-encoding vary via warning www-authenticate x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip "
     "x-request-id"),
    (Trait.UNDERSTOOD,
     "authorization cdn-loop connection content-length date expect forwarded host keep-alive max-forwards te traceparent trailer "
     "transfer-encoding upgrade via x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id"),
    (Trait.SERVICE_VARIABLE,
     "auth-type document-root document-uri gateway-interface "
     "orig-path-info path-info path-translated query-string redirect-remote-user redirect-status redirect-url "
     "remote-addr remote-host remote-ident remote-port remote-user request-method request-scheme request-uri "
     "script-filename script-name script-url server-addr server-name server-port server-protocol server-software"),
    (Trait.STANDARD_SPELLING_ONLY, "cdn-loop content-type max-forwards"),
    (Trait.NEVER_FORWARDED, "proxy"),
]  # fmt: skip


@pytest.mark.parametrize(("trait", "expected"), SETS, ids=lambda value: value.name if isinstance(value, Trait) else "")
def test_a_set_holds_these_names(trait: Trait, expected: str) -> None:
    assert sorted(names(trait)) == [name.encode() for name in expected.split()]


def test_every_name_is_canonical() -> None:
    assert all(canonical_name(name) == name for name in TRAITS)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        (b"Host", b"host"),
        (b"X_Forwarded-FOR", b"x-forwarded-for"),
        (b"_a__B-", b"-a--b-"),
        (b"X.Forwarded_for", b"x-forwarded-for"),
        (b"\xc4", b"\xc4"),
    ],
)
def test_one_spelling_stands_for_all(name: bytes, canonical: bytes) -> None:
    assert canonical_name(name) == canonical


def test_spellings_are_all_that_have_the_same_canonical_name() -> None:
    of_three = {b"a" + first + b"b" + second + b"c" for first in (b"-", b"_", b".") for second in (b"-", b"_", b".")}
    assert spellings([b"a-b-c", b"d"]) == of_three | {b"d"}


SECRETS = [
    "Authorization", "PROXY-AUTHORIZATION", "Cookie", "Set-Cookie", "X-Api-Key", "x_api_key", "X-Auth-Token", "X-CSRF-Token",
    "Proxy-Authentication-Info", "Authentication-Info", "X-Goog-IAP-JWT-Assertion", "X-Amz-Security-Token", "X-Secret",
    "Session_Id", "X.Api.Key", "X-Password", "X-Hub-Signature", "X-User-Credentials",
]  # fmt: skip
OPEN = [
    "Host", "Accept", "Sec-WebSocket-Key", "sec_websocket_key", "Access-Control-Allow-Credentials", "WWW-Authenticate",
    "Proxy-Authenticate", "X-Forwarded-For", "Keep-Alive", "ETag",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_what_authenticates_is_secret_in_any_spelling(name: str) -> None:
    assert is_secret(name.encode())
    assert shown_value((name.encode(), b"s3cret\xff")) == "*** (7 bytes)"


@pytest.mark.parametrize("name", OPEN)
def test_what_only_sounds_like_it_is_not_secret(name: str) -> None:
    assert not is_secret(name.encode())
    assert shown_value((name.encode(), b"a\xff")) == "a\xff"


USERINFO = [
    (b"/a@b",                        b"/a@b"),
    (b"http://h/",                   b"http://h/"),
    (b"http://alice:s3cret@h/x@y",   b"http://***@h/x@y"),
    (b"http://a@b@h/",               b"http://***@h/"),
    (b"alice:s3cret@h:443",          b"***@h:443"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "shown"), USERINFO)
def test_a_target_is_shown_without_userinfo(target: bytes, shown: bytes) -> None:
    assert target_without_userinfo(target) == shown
