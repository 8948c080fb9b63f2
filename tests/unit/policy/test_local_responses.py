"""Answers of the proxy's own."""

import json

import pytest

from proxy.errors import BadRequest, ConnectFailed, LimitReached, NameNotFound, NoRoute, ProxyError, UpstreamClosed
from proxy.policy.local_responses import (
    LocalResponse,
    error_response,
    options_response,
    reason,
    trace_response,
)
from tests.harness.notation import request, shown


def answer(error: ProxyError, *accept: bytes) -> LocalResponse:
    return error_response(error, list(accept) or None, pseudonym=b"me", request_id="id1")


PREFERENCES = [
    # Accept lines                                        content type
    ([],                                                  b"text/plain; charset=utf-8"),
    ([b""],                                               b"text/plain; charset=utf-8"),
    ([b"*/*"],                                            b"text/plain; charset=utf-8"),
    ([b"text/plain, text/html"],                          b"text/plain; charset=utf-8"),
    ([b"image/png"],                                      b"text/plain; charset=utf-8"),
    ([b"text/html"],                                      b"text/html; charset=utf-8"),
    ([b"TEXT/HTML ;q=0.9, */*"],                          b"text/html; charset=utf-8"),
    ([b"image/avif, application/xhtml+xml"],              b"text/html; charset=utf-8"),
    ([b"application/json"],                               b"application/json"),
    ([b"application/problem+json, text/html"],            b"application/json"),
    ([b"image/png", b"application/json"],                 b"application/json"),
    ([b"*/*, application/json"],                          b"text/plain; charset=utf-8"),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "content_type"), PREFERENCES)
def test_the_body_is_what_accept_names_first(accept: list[bytes], content_type: bytes) -> None:
    assert answer(NoRoute("x"), *accept).fields[0] == (b"Content-Type", content_type)


def test_the_text_says_what_why_and_the_id() -> None:
    told = answer(BadRequest("no Host field"))
    assert (told.status, told.reason) == (400, b"Bad Request")
    assert told.body == b"400 Bad Request\nbad_request: no Host field\nrequest id1\n"


def test_the_json_says_the_same() -> None:
    told = answer(BadRequest('a "quoted" thing'), b"application/json")
    assert json.loads(told.body) == {
        "status": 400, "error": "bad_request", "detail": 'a "quoted" thing', "request_id": "id1"
    }  # fmt: skip


def test_the_page_holds_no_markup_but_its_own() -> None:
    told = answer(BadRequest("<script>&\"'"), b"text/html")
    assert b"&lt;script&gt;&amp;&quot;&#x27;" in told.body
    assert b"<script" not in told.body
    assert b"<h1>400 Bad Request</h1>" in told.body


FIELDS = [
    # error                           beside content type, cache-control and id
    (BadRequest("x"),                 'Proxy-Status: me; error=http_request_error; details="bad_request: x"'),
    (BadRequest('"\\\r\n\xe4'),       'Proxy-Status: me; error=http_request_error; details="bad_request: \\"\\\\???"'),
    (BadRequest("x", status=405),     'Proxy-Status: me; error=http_request_error; details="bad_request: x"'
                                      "|Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, TRACE"),
    (NameNotFound("x"),               'Proxy-Status: me; error=dns_error; details="dns_error: '
                                      'the name of the service behind this proxy has no address"|Retry-After: 1'),
    (NoRoute("x"),                    'Proxy-Status: me; error=destination_not_found; details="no_route: x"'),
    (LimitReached("x"),               'Proxy-Status: me; error=connection_limit_reached; details="limit_reached: x"'
                                      "|Retry-After: 1"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "expected"), FIELDS)
def test_proxy_status_names_the_error(error: ProxyError, expected: str) -> None:
    told = [
        line for line in answer(error).fields if line[0] not in (b"Content-Type", b"Cache-Control", b"X-Request-Id")
    ]
    assert shown(told) == expected


def test_an_answer_is_not_to_be_stored_and_carries_its_id() -> None:
    fields = answer(NoRoute("x")).fields
    assert (b"Cache-Control", b"no-store") in fields
    assert (b"X-Request-Id", b"id1") in fields


@pytest.mark.parametrize("error", [ConnectFailed("10.0.0.7:8080 refused"), UpstreamClosed("10.0.0.7:8080 closed")])
@pytest.mark.parametrize("accept", [b"*/*", b"text/html", b"application/json"])
def test_a_client_is_not_shown_our_inner_addresses(error: ProxyError, accept: bytes) -> None:
    told = answer(error, accept)
    assert told.status == 502
    assert b"10.0.0.7" not in told.body + shown(told.fields).encode()
    assert b"the service behind this proxy" in told.body


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(200, b"OK"), (404, b"Not Found"), (413, b"Content Too Large"), (414, b"URI Too Long"), (431, b"Request Header Fields Too Large"), (499, b"Client Closed Request"),
     (508, b"Loop Detected"), (599, b""), (999, b"")],
)  # fmt: skip
def test_a_status_has_its_phrase_or_none(status: int, phrase: bytes) -> None:
    assert reason(status) == phrase


def test_options_is_answered_with_what_is_served() -> None:
    told = options_response()
    assert (told.status, told.body) == (200, b"")
    assert shown(told.fields) == "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, TRACE"


def test_trace_reflects_the_head_without_secrets_and_hop_by_hop_fields() -> None:
    told = trace_response(
        request(
            "TRACE /a?b HTTP/1.0|Host: h|Cookie: c|AUTHORIZATION: a|Proxy-Authorization: p|X-Api-Key: k"
            "|X-Auth-Token: t|Connection: x|TE: y|X-Csrf-Token: c|X-Goog-IAP-JWT-Assertion: j|A: 1"
        )
    )
    assert told.status == 200
    assert told.fields == [(b"Content-Type", b"message/http")]
    assert told.body == b"TRACE /a?b HTTP/1.0\r\nHost: h\r\nA: 1\r\n\r\n"
