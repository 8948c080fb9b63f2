"""How long the client's connection lives (RFC 9112 §9.3, §9.6)."""

from tests.conformance.cases.shared import GET, HOP, NEXT, POST, case, get
from tests.conformance.checks.at_client import (
    closed,
    got_body,
    got_framing,
    got_lacks,
    got_like,
    got_not_added,
    no_surplus,
    says_close,
    status,
    statuses,
    stays_open,
)
from tests.conformance.checks.at_upstream import fresh, requests, reused
from tests.conformance.checks.check import either, every
from tests.conformance.steps import (
    OK,
    Case,
    Close,
    Closed,
    HalfClose,
    Level,
    Pause,
    Quiet,
    Response,
    Verdict,
)

_PERSISTENCE = "RFC 9112 §9.3"
_CHUNKED = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||"
_NEXT = "GET /next HTTP/1.1|Host: h||"

_CLIENT = [
    # name, version, Connection options, stays open
    ("1.1", "1.1", "", True, Level.SHOULD),
    ("1.1-keep-alive", "1.1", "keep-alive", True, Level.SHOULD),
    ("1.1-other", "1.1", "x-other", True, Level.SHOULD),
    ("1.1-not-close", "1.1", "not-close, close-not", True, Level.GOOD),
    ("1.1-close", "1.1", "close", False, Level.MUST),
    ("1.1-close-case", "1.1", "CLOSE ,, x", False, Level.MUST),
    ("1.1-close-and-keep-alive", "1.1", "keep-alive, close", False, Level.MUST),
    ("1.1-close-second-line", "1.1", "keep-alive|Connection: Close", False, Level.MUST),
    ("1.0", "1.0", "", False, Level.MUST),
    ("1.0-other", "1.0", "x-other", False, Level.MUST),
    ("1.0-close", "1.0", "close", False, Level.MUST),
    ("1.0-close-and-keep-alive", "1.0", "close, keep-alive", False, Level.MUST),
]


def _client_row(name: str, version: str, options: str, stays: bool, level: Level) -> Case:
    request = f"GET / HTTP/{version}|Host: h|{f'Connection: {options}|' if options else ''}|"
    title = f"HTTP/{version} with `{options or 'no option'}` {'stays open' if stays else 'is closed'}"
    reference = _PERSISTENCE
    if stays:
        return Case(f"client-{name}", title, reference, level, (request, Response(), _NEXT, Response()),
                    (statuses(200, 200),))  # fmt: skip
    return Case(f"client-{name}", title, reference, level, (request, Response(), Closed()),
                (status(200), got_body(b"ok"), closed(), no_surplus()))  # fmt: skip


CASES = [
    *(_client_row(*row) for row in _CLIENT),
    Case("client-1.0-keep-alive", "HTTP/1.0 with `keep-alive` is told whether it stays open", "RFC 9112 C.2.2",
         Level.GOOD, ("GET / HTTP/1.0|Host: h|Connection: keep-alive||", Response(), Pause(0.02),
                      "GET /next HTTP/1.0|Host: h|Connection: keep-alive||", Verdict()),
         (either(every(closed(), requests(1)), statuses(200, 200)),), promise=(statuses(200, 200),)),
    Case("client-1.0-keep-alive-chunked", "HTTP/1.0 with `keep-alive`, where the upstream sends chunks: no chunks, "
         "and an end", "RFC 9112 §6.1", Level.MUST,
         ("GET / HTTP/1.0|Host: h|Connection: keep-alive||", Response()),
         (status(200), got_framing("close", "length"), got_body(b"ok")), (_CHUNKED,)),
    Case("client-1.1-says-close", "a response after which the connection closes says so", "RFC 9112 §9.6", Level.SHOULD,
         ("GET / HTTP/1.1|Host: h|Connection: close||", Response(), Closed()), (status(200), says_close(), closed())),
    Case("client-nothing-after-close", "what follows a request that says close is not a request", "RFC 9112 §9.6",
         Level.MUST, ("GET / HTTP/1.1|Host: h|Connection: close||" + _NEXT, Response(), Closed()),
         (requests(1), statuses(200), closed(), no_surplus())),
    Case("client-upstream-close", "an upstream that says close does not close the client's connection", _PERSISTENCE,
         Level.GOOD, ("GET / HTTP/1.1|Host: h||", Response(), _NEXT, Response()),
         (statuses(200, 200), fresh()), (("HTTP/1.1 200 OK|Connection: close|Content-Length: 2||ok", Close()), OK)),
]  # fmt: skip

CASES += [
    Case("keep-alive-1.0-no-body", "204 and 304 end by themselves, so a 1.0 client may go on", "RFC 9112 §9.3", Level.GOOD,
         ("GET / HTTP/1.0|Host: h|Connection: Keep-Alive||", Response(),
          "GET /2 HTTP/1.0|Host: h|Connection: Keep-Alive||", Response(), Quiet()),
         (statuses(204, 304), stays_open(), no_surplus(), reused()),
         ("HTTP/1.1 204 No Content||", "HTTP/1.1 304 Not Modified|Content-Length: 99||")),
    Case("keep-alive-1.0-both", "1.0 on both sides, keeping alive on both", "RFC 9112 §C.2.2", Level.GOOD,
         ("GET / HTTP/1.0|Host: h|Connection: keep-alive||", Response(), "GET /2 HTTP/1.0|Host: h||", Response(),
          Closed()),
         (statuses(200, 200), closed(), got_lacks("Keep-Alive"), reused(), got_like("Connection", "(?i)keep-alive")),
         ("HTTP/1.0 200 OK|Connection: Keep-Alive|Keep-Alive: timeout=15, max=99|Content-Length: 2||ok",)),
    Case("half-close-1.0", "a 1.0 client that ends its side waits for its answer", "RFC 9112 §9.6", Level.GOOD,
         ("GET / HTTP/1.0|Host: h||", HalfClose(), Response(), Closed()), (status(200), got_body(b"ok"), closed()),
         ((Pause(0.1), OK),)),
    Case("ended-before-any", "a connection without a byte ends without one", "RFC 9112 §9.6", Level.GOOD,
         (HalfClose(), Closed()), (closed(), no_surplus())),
    case("1.0-proxy-connection", "Proxy-Connection keeps no HTTP/1.0 connection open", "RFC 9112 C.2.2", Level.MUST,
         ("GET / HTTP/1.0|Host: h|Proxy-Connection: keep-alive||", Response(), Closed()), (status(200), closed())),
    case("1.0-keep-alive-field", "nor does a Keep-Alive field alone", "RFC 9112 C.2.2", Level.MUST,
         ("GET / HTTP/1.0|Host: h|Keep-Alive: timeout=9||", Response(), Closed()), (status(200), closed())),
    case("1.1-proxy-connection", "`Proxy-Connection: close` closes nothing", "RFC 9112 C.2.2", Level.GOOD,
         (get("Proxy-Connection: close"), Response(), NEXT, Response()), (statuses(200, 200),)),
    case("1.0-502-keep-alive", "a 502 to HTTP/1.0 with keep-alive says which it is", "RFC 9112 §9.3", Level.GOOD,
         ("GET / HTTP/1.0|Host: h|Connection: keep-alive||", Response(), "GET /2 HTTP/1.0||", Response(), Closed()),
         (statuses(502, 200), got_like("Connection", "(?i)keep-alive"), closed()), (Close(),), OK),
    case("1.0-no-te", "HTTP/1.0 with keep-alive and no length upstream: until close, and says so", "RFC 9112 §6.1", Level.MUST,
         ("GET / HTTP/1.0|Host: h|Connection: keep-alive||", Response()),
         (got_framing("close"), got_body(b"ok"), got_not_added("Transfer-Encoding"), says_close()),
         ("HTTP/1.0 200 OK|Connection: keep-alive||ok", Close())),
    case("until-close-persists", "a body until close costs an HTTP/1.1 client no connection", "RFC 9112 §9.3", Level.GOOD,
         (GET, Response(), NEXT, Response()), (statuses(200, 200), got_framing("chunked"), got_body(b"ok"), fresh()),
         ("HTTP/1.1 200 OK|Connection: keep-alive||ok", Close()), OK),
    case("until-close-empty", "an empty body until close", "RFC 9112 §6.3", Level.MUST, (GET, Response(), NEXT, Response()),
         (statuses(200, 200), got_body(b"")), ("HTTP/1.1 200 OK|X: 1||", Close()), OK),
    case("close-quoted", "a quoted close is no option", HOP, Level.GOOD, (get('Connection: "close"'), Response(), NEXT, Response()),
         (statuses(200, 200),)),
    case("trailing-crlf", "a CRLF too many behind a body, and the end: no further answer", "RFC 9112 §2.2", Level.SHOULD,
         (POST + "|", Response(), HalfClose(), Closed()), (statuses(200), closed(), no_surplus())),
]  # fmt: skip
