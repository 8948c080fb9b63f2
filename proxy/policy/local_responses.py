"""Responses that the proxy makes itself: errors, and OPTIONS or TRACE whose `Max-Forwards` is used up."""

import html
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import msgspec

from proxy.errors import NoRoute, ProtocolError, ProxyError
from proxy.http1.field_names import Trait, is_secret, names
from proxy.http1.fields import Fields, members, short_list
from proxy.http1.message import RequestHead, RequestTarget
from proxy.policy.error_pages import ErrorPages
from proxy.policy.proxy_status import AttemptResult, proxy_status
from proxy.policy.route import Route

_HOP_BY_HOP: Final = names(Trait.HOP_BY_HOP)
#: Phrases that some Python versions lack, or spell otherwise than RFC 9110 §15.
_PHRASES: Final = {413: b"Content Too Large", 414: b"URI Too Long", 499: b"Client Closed Request"}
_HTTPS_PORT: Final = 443
ALLOW: Final = b"GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, TRACE"


class LocalResponse(msgspec.Struct, frozen=True):
    """A complete response of our own; framing, Date and Connection come with writing it."""

    status: int
    reason: bytes
    fields: Fields
    body: bytes
    route: Route | None = None  # the one that makes it, or whose rules apply to it


def reason(status: int) -> bytes:
    """The reason phrase for a status, empty where it has none."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


def error_response(
    error: ProxyError,
    accept: list[bytes] | None,
    *,
    pseudonym: bytes,
    request_id: str,
    attempts: Iterable[AttemptResult] = (),
    pages: ErrorPages | None = None,
) -> LocalResponse:
    """The answer for a request that failed here: what, why, and the id to find it in the log by.

    The body is the page for the status, if one of `pages` is; else text, JSON or HTML, whichever `Accept` names first,
    and text where that is longer than a kilobyte.
    `Proxy-Status` is RFC 9209's, with the `attempts` that were made, where there were several.
    """
    phrase = reason(error.status)
    page = pages.page(error.status) if pages is not None else None
    if page is not None:
        content_type, body = page.content_type, page.of(request_id)
    else:
        content_type, body = _body(error, phrase.decode(), _preferred(accept), request_id)
    lines: Fields = [
        (b"Content-Type", content_type),
        (b"Cache-Control", b"no-store"),
        proxy_status(pseudonym, error, attempts),
        (b"X-Request-Id", request_id.encode("ascii", "replace")),
    ]
    if error.status == 405:
        allowed = b", ".join(error.allowed) if isinstance(error, NoRoute) else ALLOW
        lines.append((b"Allow", allowed))
    if error.status == 503:
        lines.append((b"Retry-After", b"1"))
    lines += error.fields
    return LocalResponse(error.status, phrase, lines, body)


def https_redirect(target: RequestTarget, port: int) -> LocalResponse:
    """308 to the same target on https, at this port. Raises ProtocolError (400) where a 1.0 client named no host."""
    host = target.authority
    if not host:
        raise ProtocolError("no Host field, which the redirect to https needs")
    if host[-1:] != b"]":  # an IPv6 address without a port
        host = host.rpartition(b":")[0] or host
    if port != _HTTPS_PORT:
        host = b"%b:%d" % (host, port)
    path = b"" if target.origin_form == b"*" else target.origin_form
    return LocalResponse(308, reason(308), [(b"Location", b"https://%b%b" % (host, path))], b"")


def options_response() -> LocalResponse:
    """`OPTIONS` whose `Max-Forwards` ends here (RFC 9110 §7.6.2, §9.3.7)."""
    return LocalResponse(200, b"OK", [(b"Allow", ALLOW)], b"")


def trace_response(head: RequestHead) -> LocalResponse:
    """`TRACE` whose `Max-Forwards` ends here: the head as received, hop-by-hop fields left out, and what is likely to
    be secret by its name (RFC 9110 §9.3.8)."""
    shown = b"".join(
        b"%b: %b\r\n" % line for line in head.fields if line[0].lower() not in _HOP_BY_HOP and not is_secret(line[0])
    )
    body = b"%b %b HTTP/%b\r\n%b\r\n" % (head.method, head.target, head.http_version, shown)
    return LocalResponse(200, b"OK", [(b"Content-Type", b"message/http")], body)


def _preferred(accept: list[bytes] | None) -> bytes:
    for member in members(short_list(accept or ())):
        media_type = member.partition(b";")[0].strip().lower()
        if media_type in (b"text/html", b"application/xhtml+xml"):
            return b"html"
        if media_type == b"application/json" or media_type.endswith(b"+json"):
            return b"json"
        if media_type in (b"text/plain", b"*/*"):
            break
    return b"text"


def _body(error: ProxyError, phrase: str, form: bytes, request_id: str) -> tuple[bytes, bytes]:
    status, code, detail = error.status, error.code, error.public_detail
    if form == b"json":
        document = {"status": status, "error": code, "detail": detail, "request_id": request_id}
        return b"application/json", msgspec.json.encode(document) + b"\n"
    if form == b"html":
        page = _PAGE.format(
            status=status,
            phrase=html.escape(phrase),
            code=html.escape(code),
            detail=html.escape(detail),
            request_id=html.escape(request_id),
        )
        return b"text/html; charset=utf-8", page.encode()
    return b"text/plain; charset=utf-8", f"{status} {phrase}\n{code}: {detail}\nrequest {request_id}\n".encode()


_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{status} {phrase}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto; padding: 0 1rem }}
code {{ font-family: ui-monospace, monospace }}
</style>
<h1>{status} {phrase}</h1>
<p><code>{code}</code>: {detail}</p>
<p>Request <code>{request_id}</code>, answered by the proxy (onehop), not by the service behind it.</p>
</html>
"""
