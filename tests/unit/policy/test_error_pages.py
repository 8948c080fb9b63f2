"""Pages for our own errors: which one, and what stands in it."""

import pytest

from proxy.policy.error_pages import ErrorPage, ErrorPages

HTML = b"text/html; charset=utf-8"


def page(text: str) -> ErrorPage:
    return ErrorPage(HTML, text.encode())


FOR_ALL = ErrorPages({"502": page("all 502"), "4xx": page("all 4xx")})
ROUTE = ErrorPages({"5xx": page("route 5xx"), "404": page("route 404")}, FOR_ALL)

PAGES = [
    # pages     status  page
    (FOR_ALL,   502,    "all 502"),
    (FOR_ALL,   503,    None),
    (FOR_ALL,   404,    "all 4xx"),
    (ROUTE,     404,    "route 404"),
    (ROUTE,     413,    "all 4xx"),
    (ROUTE,     502,    "route 5xx"),  # the route's class goes before the status of all
    (ROUTE,     504,    "route 5xx"),
]  # fmt: skip


@pytest.mark.parametrize(("pages", "status", "expected"), PAGES)
def test_a_status_goes_before_its_class_and_a_routes_page_before_those_of_all(
    pages: ErrorPages, status: int, expected: str | None
) -> None:
    found = pages.page(status)
    assert (None if found is None else found.text.decode()) == expected


TEXTS = [
    # type                  text                                       id           shown
    (HTML,                  b"<p>{request_id} {request_id}",           "a-1",       b"<p>a-1 a-1"),
    (HTML,                  b"{request_id}",                           "<i>&",      b"&lt;i&gt;&amp;"),
    (b"image/svg+xml",      b"{request_id}",                           "<i>",       b"&lt;i&gt;"),
    (b"text/plain",         b"{request_id}",                           "<i>",       b"<i>"),
    (b"application/json",   b'{"id": "{request_id}"}',                 "a-1",       b'{"id": "a-1"}'),
    (HTML,                  b"{} {status} {{request_id}}",             "a",         b"{} {status} {a}"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "request_id", "expected"), TEXTS)
def test_the_requests_id_stands_where_the_page_wants_it(
    kind: bytes, text: bytes, request_id: str, expected: bytes
) -> None:
    assert ErrorPage(kind, text).of(request_id) == expected
