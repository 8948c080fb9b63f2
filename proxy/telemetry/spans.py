"""An exchange as spans of a trace: one of kind SERVER, and below it one of kind CLIENT for each attempt.

Names and values follow OpenTelemetry's stable semantic conventions for HTTP (1.23 and later); other names begin with
`onehop.`. Secrets in targets are masked as in the log. `otlp` hands the spans to OpenTelemetry.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from proxy.http1.masking import shown_target, target_without_userinfo
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.series import METHODS, OTHER
from proxy.telemetry.trace import Trace

_MOST_TEXT: Final = 1024  # bytes of a value
_METHODS: Final = frozenset({*METHODS, "CONNECT"} - {OTHER})

Attributes = dict[str, str | int | bool]


class Span(msgspec.Struct, frozen=True):
    """The span of an exchange, or of one attempt. Times are monotonic, in seconds."""

    name: str
    is_server: bool
    span_id: str
    parent_id: str
    began: float
    ended: float
    is_error: bool
    attributes: Attributes


class Described(msgspec.Struct, frozen=True):
    """The configuration as spans need it: paths by route, and the pairs of upstream and origin that use TLS."""

    paths: Mapping[str, str] = {}
    secured: frozenset[tuple[str, str]] = frozenset()


def spans(record: ExchangeRecord, trace: Trace, described: Described) -> Iterator[Span]:
    """The spans of an exchange that has ended, its own first."""
    yield _of_exchange(record, trace, described)
    earlier = record.earlier or []
    began = trace.began_attempts
    for number, (attempt, span_id) in enumerate(zip(earlier, trace.earlier_ids, strict=True)):
        status = int(attempt.result) if attempt.result.isdigit() else 0
        attributes = _of_attempt(record, trace, described, attempt.origin, number, reused=attempt.reused)
        yield _client_span(record, trace, span_id, began, attempt.ended, status, attempt.error_type, attributes)
        began = attempt.ended
    if record.attempts > len(earlier):
        status = record.response.status if record.response is not None else 0
        attributes = _of_attempt(record, trace, described, record.origin, len(earlier), reused=record.reused)
        yield _client_span(record, trace, trace.attempt_id, began, record.ended, status, record.error_type, attributes)


def _of_exchange(record: ExchangeRecord, trace: Trace, described: Described) -> Span:
    method, attributes = _method(record)
    route = described.paths.get(record.route, "")
    host = next((value for name, value in record.fields if len(name) == 4 and name.lower() == b"host"), b"")
    agent = next((value for name, value in record.fields if len(name) == 10 and name.lower() == b"user-agent"), b"")
    target = shown_target(record.target)
    if target[:1] not in (b"/", b"*") and b"://" in target:  # absolute-form: its authority takes precedence over Host
        host, _, rest = target.partition(b"://")[2].partition(b"/")
        target = b"/" + rest
    path, has_query, query = target.partition(b"?")
    attributes["url.scheme"] = trace.scheme
    attributes["url.path"] = _text(path)
    if has_query:
        attributes["url.query"] = _text(query)
    attributes |= _server(_text(target_without_userinfo(host)))
    if record.client:
        attributes["client.address"] = record.client
    if record.http_version:
        attributes["network.protocol.version"] = _text(record.http_version)
    if agent:
        attributes["user_agent.original"] = _text(agent)
    if route:
        attributes["http.route"] = route
    if record.status:
        attributes["http.response.status_code"] = record.status
    if record.error:
        attributes["error.type"] = record.error_type or record.error
        attributes["onehop.error"] = record.error
    elif record.status >= 500:
        attributes["error.type"] = str(record.status)
    attributes["onehop.request_id"] = record.request_id
    if record.route:
        attributes["onehop.route"] = record.route
    if record.service:
        attributes["onehop.upstream"] = record.service
    # A fault of the client, or that it left, is not an error of the server. A response that was cut is one.
    is_error = record.status >= 500 or (bool(record.error) and record.status < 400 and record.error != "client_gone")
    name = f"{method} {route}" if route else method
    return Span(name, True, trace.span_id, trace.parent_id, record.started, record.ended, is_error, attributes)


def _of_attempt(
    record: ExchangeRecord, trace: Trace, described: Described, origin: str, number: int, *, reused: bool
) -> Attributes:
    _, attributes = _method(record)
    attributes |= _server(origin)
    scheme = "https" if (record.service, origin) in described.secured else "http"
    authority = "localhost" if origin.startswith("unix:") else origin
    attributes["url.full"] = f"{scheme}://{authority}{_text(shown_target(trace.target))}"
    attributes["onehop.connection_reused"] = reused
    if number:
        attributes["http.request.resend_count"] = number
    return attributes


def _client_span(
    record: ExchangeRecord, trace: Trace, span_id: str, began: float, ended: float, status: int, error: str,
    attributes: Attributes,
) -> Span:  # fmt: skip
    if status:
        attributes["http.response.status_code"] = status
        attributes["network.protocol.version"] = "1.1"
    if error or status >= 400:
        attributes["error.type"] = error or str(status)
    is_error = status >= 400 or (bool(error) and record.error != "client_gone")
    name = str(attributes["http.request.method"]).replace("_OTHER", "HTTP")
    return Span(name, False, span_id, trace.span_id, began, ended, is_error, attributes)


def _method(record: ExchangeRecord) -> tuple[str, Attributes]:
    """The method for a span's name, and as attributes. Unknown methods share one name, as the conventions require."""
    method = _text(record.method)
    if method in _METHODS:
        return method, {"http.request.method": method}
    return "HTTP", {"http.request.method": "_OTHER", "http.request.method_original": method}


def _server(authority: str) -> Attributes:
    """Attributes for an authority or the label of an origin: address and port."""
    if authority.startswith("unix:"):
        return {"server.address": authority.removeprefix("unix:")}
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:  # of a request that was refused
        return {}
    return ({"server.address": host} if host else {}) | ({"server.port": port} if port else {})


def _text(value: bytes) -> str:
    return value[:_MOST_TEXT].decode("utf-8", "replace")
