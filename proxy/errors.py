"""Everything that can go wrong with an exchange: whose fault it is, and what the client reads.

ProxyError
  DownstreamError             the client's message is at fault
    BadRequest                400  (and 405, 413, 414, 417, 421, 431, 501, 505 by its `status`)
    RequestTimeout            408
    ClientGone                the client has disconnected: nothing can be sent
  RoutingError
    NoRoute                   404  (and 405)
    LoopDetected              508
  AccessError                 the client is not allowed, or not at this time
    Forbidden                 403
    Unauthorized              401
    RateLimited               429
  UpstreamError               the service is at fault
    ConnectFailed             502
      NameNotFound            503
      TlsFailed               502
    ConnectTimeout            504
    BadResponse               502
    UpstreamClosed            502
    ResponseTimeout           504
    UpgradeRefused            502
  RequestOverdue              504
  LimitReached                503
  InternalError               500

`ProtocolError` is none of them: `http1` raises it, and the side that the message arrived on says whose fault it is.

Every class carries a stable `code` (in the answer's body, in the access log and in counters) and the error type
of its `Proxy-Status` member (RFC 9209 §2.3). `detail` is for the log and never quotes field values. A client reads the
class's `public` sentence, unless the class opts in to `detail_is_public`: details about an upstream could show internal
addresses, and the text of an exception could show anything.
"""

from typing import ClassVar, Final, Self

#: Codes whose `Proxy-Status` type (RFC 9209 §2.3) is more specific than that of their class.
_TYPE_BY_CODE: Final = {
    "dns_timeout": "dns_timeout",
    "head_too_large": "http_response_header_section_size",
    "tls_alert_received": "tls_alert_received",
    "tls_certificate_error": "tls_certificate_error",
    "upstream_write_timeout": "connection_write_timeout",
}


class ProtocolError(Exception):
    """A message breaks a rule of HTTP/1.1, or is over a limit. `status` is the answer if a client sent it; `code`, if
    given, is more exact than that of the `BadRequest` or `BadResponse` that is made of it."""

    def __init__(self, detail: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code


class ProxyError(Exception):
    """Base of all. `status` is what the client is answered, `code` what operators see."""

    status: int = 500
    code: str = "internal"
    proxy_status: str = "proxy_internal_error"  # RFC 9209 §2.3.29
    public: str = "this proxy could not answer the request"
    detail_is_public: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if status is not None:
            self.status = status
        if code is not None:
            self.code = code

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """Field lines of the answer that belong to this error."""
        return []

    @property
    def public_detail(self) -> str:
        """What the client reads."""
        return self.detail if self.detail_is_public else self.public


class DownstreamError(ProxyError):
    """The client's message is at fault."""

    status = 400
    code = "bad_request"
    proxy_status = "http_request_error"  # RFC 9209 §2.3.14
    detail_is_public = True  # it only describes the client's own message


class BadRequest(DownstreamError):
    """The message broke a rule; `status` says which kind of rule."""

    @classmethod
    def of(cls, error: ProtocolError) -> Self:
        """A client's message broke a rule."""
        return cls(error.detail, status=error.status, code=error.code)


class RequestTimeout(DownstreamError):
    """The client stopped in the middle of its message."""

    status = 408
    code = "request_timeout"


class ClientGone(DownstreamError):
    """The client's connection ended before its exchange did: the status is only for the log."""

    status = 499  # nginx's number, which log readers know
    code = "client_gone"


class RoutingError(ProxyError):
    """This proxy has nowhere to send the request."""

    detail_is_public = True  # it says nothing about upstreams


class NoRoute(RoutingError):
    """No route matches; or only by the method (405), and `allowed` are those with which one would."""

    status = 404
    code = "no_route"
    proxy_status = "destination_not_found"  # RFC 9209 §2.3.3
    allowed: tuple[bytes, ...] = ()


class LoopDetected(RoutingError):
    """The request has passed through this instance too often, `limits.passes` (RFC 5842 §7.2)."""

    status = 508
    code = "loop_detected"
    proxy_status = "proxy_loop_detected"  # RFC 9209 §2.3.31


class AccessError(ProxyError):
    """The route does not accept this client, or not at this time."""

    status = 403
    code = "forbidden"
    proxy_status = "http_request_denied"  # RFC 9209 §2.3.15
    public = "this client is not allowed to use this resource"


class Forbidden(AccessError):
    """The client's address is not allowed: credentials would not help."""


class Unauthorized(AccessError):
    """The request has no credentials, or wrong ones."""

    status = 401
    code = "unauthorized"
    public = "a valid user name and password are required"

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        return [(b"WWW-Authenticate", b'Basic realm="restricted", charset="UTF-8"')]  # RFC 7617 §2.1


class RateLimited(AccessError):
    """The client has sent too many requests: in `retry_after_s` seconds it may send the next."""

    status = 429
    code = "rate_limited"
    public = "this client sends too many requests"

    def __init__(self, detail: str = "", retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        return [(b"Retry-After", b"%d" % self.retry_after_s)]


class UpstreamError(ProxyError):
    """The service, or the way to it, is at fault."""

    status = 502
    code = "upstream_error"
    proxy_status = "destination_unavailable"  # RFC 9209 §2.3.4
    public = "the service behind this proxy did not answer as it should"

    def __init__(self, detail: str = "", *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(detail, status=status, code=code)
        self.proxy_status = _TYPE_BY_CODE.get(self.code, self.proxy_status)


class ConnectFailed(UpstreamError):
    """No connection: refused or unroutable."""

    code = "connect_failed"
    public = "the service behind this proxy accepts no connection"
    proxy_status = "connection_refused"  # RFC 9209 §2.3.6


class NameNotFound(ConnectFailed):
    """The service's name has no address, or none of its servers answers: it may have one soon."""

    status = 503
    code = "dns_error"
    public = "the name of the service behind this proxy has no address"
    proxy_status = "dns_error"  # RFC 9209 §2.3.2


class TlsFailed(ConnectFailed):
    """The service was reached, but the TLS handshake with it failed: `code` says which side refused."""

    code = "tls_protocol_error"
    public = "this proxy could not establish TLS with the service behind it"
    proxy_status = "tls_protocol_error"  # RFC 9209 §2.3.20


class ConnectTimeout(UpstreamError):
    """The service did not accept a connection in time."""

    status = 504
    code = "connect_timeout"
    public = "the service behind this proxy did not accept a connection in time"
    proxy_status = "connection_timeout"  # RFC 9209 §2.3.8


class BadResponse(UpstreamError):
    """What the service sent is not a response this proxy can forward."""

    code = "bad_response"
    proxy_status = "http_protocol_error"  # RFC 9209 §2.3.26

    @classmethod
    def of(cls, error: ProtocolError) -> Self:
        """A service's message broke a rule."""
        return cls(error.detail, code=error.code)


class UpstreamClosed(UpstreamError):
    """The connection ended before the response was complete."""

    code = "upstream_closed"
    public = "the service behind this proxy ended the connection before its answer was complete"
    proxy_status = "http_response_incomplete"  # RFC 9209 §2.3.17


class ResponseTimeout(UpstreamError):
    """The service was silent for longer than a deadline allows."""

    status = 504
    code = "response_timeout"
    public = "the service behind this proxy did not answer in time"
    proxy_status = "http_response_timeout"  # RFC 9209 §2.3.24


class UpgradeRefused(UpstreamError):
    """A 101 that the client did not ask for, or to another protocol than it asked for."""

    code = "unexpected_upgrade"
    proxy_status = "http_upgrade_failed"  # RFC 9209 §2.3.25


class RequestOverdue(ProxyError):
    """Request and response together took longer than `timeouts.request_total_s`, whichever side was slow."""

    status = 504
    code = "request_total_timeout"
    public = "the request and its response together took longer than this proxy allows"
    proxy_status = "http_response_timeout"  # RFC 9209 §2.3.24: "waiting for the complete response"


class LimitReached(ProxyError):
    """A limit of this proxy is reached: it accepts no more at present. The client reads `public`; `detail` is what the
    log says instead, where that names addresses or upstreams."""

    status = 503
    code = "limit_reached"
    proxy_status = "connection_limit_reached"  # RFC 9209 §2.3.12

    def __init__(
        self, public: str = ProxyError.public, *, detail: str = "", status: int | None = None, code: str | None = None
    ) -> None:
        super().__init__(detail or public, status=status, code=code)
        self.public = public


class InternalError(ProxyError):
    """A defect of this proxy. Its cause, with the traceback, goes to the error log only."""

    public = "internal error of this proxy: details are in its error log"

    @classmethod
    def from_defect(cls, defect: BaseException) -> Self:
        """The error for an unexpected exception, of which the access log gets the type alone."""
        error = cls(type(defect).__name__)
        error.__cause__ = defect
        return error
