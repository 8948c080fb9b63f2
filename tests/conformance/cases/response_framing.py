"""Where a good response ends (RFC 9112 §6.3)."""

from tests.conformance.cases.shared import GET
from tests.conformance.checks.at_client import got_body, got_framing, got_without_extensions, status
from tests.conformance.checks.at_upstream import requests
from tests.conformance.steps import OK, Case, Close, Level, Pause, Slowly

_CHUNKED = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"

CASES = [
    Case("response-until-close", "a body until close arrives whole", "RFC 9112 §6.3", Level.MUST, GET,
         (status(200), got_body(b"abcde")), (("HTTP/1.1 200 OK||abc", Pause(0.02), "de", Close()),)),
    Case("response-until-close-1.0", "also to an HTTP/1.0 client", "RFC 9112 §6.3", Level.MUST, "GET / HTTP/1.0|Host: h||",
         (status(200), got_body(b"abcde"), got_framing("close", "length")), (("HTTP/1.0 200 OK||abcde", Close()),)),
    Case("response-length-kept", "a known length stays known", "RFC 9112 §6.3", Level.GOOD, GET,
         (got_framing("length"), got_body(b"ok")), (OK,)),
    Case("response-chunked-bytewise", "a chunked response, one byte per segment", "RFC 9112 §7.1", Level.MUST, GET,
         (status(200), got_body(b"abcde")), ((Slowly(_CHUNKED + "3;x=y|abc|2|de|0||"),),)),
    Case("response-chunk-extension", "chunk extensions of a response go no further", "RFC 9112 §7.1.1", Level.GOOD,
         GET, (status(200), got_body(b"abc"), got_without_extensions()), (_CHUNKED + "3;evil=1|abc|0;evil||",)),
    Case("response-chunked-to-1.0", "an HTTP/1.0 client gets no chunks", "RFC 9112 §6.1", Level.MUST,
         "GET / HTTP/1.0|Host: h||", (status(200), got_body(b"abc"), got_framing("close", "length")),
         (_CHUNKED + "3|abc|0||",)),
    Case("response-large", "a megabyte arrives whole", "RFC 9112 §6.3", Level.MUST, GET,
         (status(200), got_body(b"x" * 1_000_000)),
         (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000,)),
    Case("response-reason", "a response without a reason phrase is a response", "RFC 9112 §4", Level.MUST, GET,
         (status(200), got_body(b"ok"), requests(1)), ("HTTP/1.1 200 |Content-Length: 2||ok",)),
    Case("response-unknown-status", "an unknown status goes on", "RFC 9110 §15", Level.MUST, GET,
         (status(299), got_body(b"ok")), ("HTTP/1.1 299 Odd|Content-Length: 2||ok",)),
]  # fmt: skip

CASES += [
    Case("chunk-blank-extension-response", "in a response, too", "RFC 9112 §7.1.1", Level.MUST, GET,
         (status(200), got_body(b"abc"), got_without_extensions()),
         ("HTTP/1.1 200 OK|Transfer-Encoding: chunked||3\t; a=b|abc|0 ;z||",)),
]  # fmt: skip
