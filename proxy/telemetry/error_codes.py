"""Every error code, with the status that the client is answered and its meaning. Logs and counters use the code.

`docs/errors.md` is generated from this table, in this order.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class ErrorCode(NamedTuple):
    """`status` is what the client is answered; empty where no answer is possible any more."""

    status: str
    meaning: str


_GONE: Final = "499"  # the client has left; nginx's number, which log readers know

ERROR_CODES: Final[Mapping[str, ErrorCode]] = {
    code: ErrorCode(status, meaning)
    for code, status, meaning in (
        # The client's message is at fault.
        ("bad_request", "400", "The request breaks a rule of HTTP/1.1, which the answer names."),
        ("body_too_large", "413", "The request's body is larger than limits.request_body_bytes."),
        ("chunk_extension_too_long", "400", "Beyond limits.chunk_extension_bytes. Of a response: 502."),
        ("expectation_failed", "417", "Expect asks for something other than 100-continue."),
        ("head_too_large", "431", "The head, or a list in it, is beyond limits. Of a response: 502."),
        ("method_not_allowed", "405", "The route takes other methods, which Allow names; none takes CONNECT."),
        ("method_too_long", "501", "The method is longer than any that is registered."),
        ("misdirected", "421", "An https target over a connection without TLS, of a client that is not trusted."),
        ("no_proxy_header", "400", "This peer's connections have to begin with a PROXY header."),
        ("plain_http_on_tls_port", "400", "Plain HTTP on a port that speaks TLS."),
        ("request_body_cut", "400", "The client's connection ended within the request's body."),
        ("request_cut", "400", "The client's connection ended within the request's head."),
        ("request_timeout", "408", "The client was silent in mid-request for as long as timeouts allow."),
        ("request_too_slow", "408", "The body came slower than limits.request_minimum_bytes_per_s."),
        ("target_too_long", "414", "The target is longer than limits.target_bytes."),
        ("tls_on_plain_listener", "400", "A TLS handshake on a port that speaks plain HTTP."),
        ("trailers_too_large", "431", "The trailer section is larger than limits.trailer_bytes. Of a response: 502."),
        ("unexpected_proxy_header", "400", "A PROXY header of a peer that may not send one."),
        ("version_not_supported", "505", "An HTTP version that is neither 1.0 nor 1.1."),
        ("client_gone", _GONE, "The client closed its connection before the answer was complete."),
        ("client_write_timeout", _GONE, "The client read nothing of its answer for timeouts.client_write_idle_s."),
        # The client is not allowed, or not now; or no route matches.
        ("forbidden", "403", "The route's allow and deny do not admit this address."),
        ("unauthorized", "401", "The route requires a name and a password: none was sent, or a wrong one."),
        ("rate_limited", "429", "Beyond the route's rate_limit; Retry-After says when to come again."),
        ("too_many_connections", "429", "The client has more connections than limits.connections_per_client."),
        ("no_route", "404", "No route matches."),
        ("loop_detected", "508", "The request has been through this instance limits.passes times."),
        # The service, or the way to it, is at fault.
        ("bad_response", "502", "The service's answer breaks a rule of HTTP/1.1, or a limit."),
        ("connect_failed", "502", "The service accepts no connection. The log says what the system said."),
        ("connect_timeout", "504", "The service did not accept a connection within timeouts.connect_s."),
        ("dns_error", "503", "The service's name has no address."),
        ("dns_timeout", "504", "No name server answered within timeouts.name_lookup_s."),
        ("response_body_cut", "502", "The service ended the connection within the answer's body."),
        ("response_body_timeout", "504", "The service fell silent within the answer's body."),
        ("response_stalled", "504", "Of an attempt that is retried: the service answers nobody, and others do."),
        ("response_timeout", "504", "No response head within timeouts.response_head_s."),
        ("tls_alert_received", "502", "The service refused the TLS handshake, and said why: see the log."),
        ("tls_certificate_error", "502", "The service's certificate is not valid for its name: see the log."),
        ("tls_protocol_error", "502", "The TLS handshake with the service failed for another reason: see the log."),
        ("unexpected_upgrade", "502", "The service switched protocols unasked, or to another protocol."),
        ("upload_given_up", "502", "The service answered in full, and stopped reading the request's body."),
        ("upstream_closed", "502", "The service ended the connection before an answer was complete."),
        ("upstream_error", "502", "Another failure of the service."),
        ("upstream_write_timeout", "504", "The service stopped reading the request."),
        ("request_total_timeout", "504", "Request and response together took longer than timeouts.request_total_s."),
        # onehop is at a limit, or has failed itself.
        ("limit_reached", "503", "No more connections are accepted for now: limits.connections."),
        ("out_of_resources", "503", "No file descriptor or memory is left for a connection to the service."),
        ("queue_full", "503", "The upstream has max_connections, and its queue is full."),
        ("queue_timeout", "503", "The upstream has max_connections, and none became free in time."),
        ("too_many_logins", "503", "Too many passwords are being checked at once."),
        ("cancelled", "", "onehop was shut down, and the exchange did not end in time."),
        ("internal", "500", "A defect of onehop: the error log has its traceback. Please report it."),
        ("other", "", "In counters only: any other code."),
    )
}  # fmt: skip
