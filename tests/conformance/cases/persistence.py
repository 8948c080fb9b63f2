"""Which connections stay open, and which are used again (RFC 9112 §9)."""

from tests.conformance.checks.at_client import (
    closed,
    got_body,
    got_framing,
    no_surplus,
    nowhere,
    says_close,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import at_most, fresh, only_requests, requests, reused, sent_body, sent_start
from tests.conformance.checks.check import either, every
from tests.conformance.steps import (
    Await,
    Case,
    Check,
    Close,
    Closed,
    Early,
    HalfClose,
    Level,
    Maybe,
    NewConnection,
    Pause,
    Quiet,
    Reset,
    Response,
    Signal,
    Step,
    Verdict,
)

_PERSISTENCE = "RFC 9112 §9.3"
_OK = "HTTP/1.1 200 OK|Content-Length: 2||ok"
_CHUNKED = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||"
_NEXT = "GET /next HTTP/1.1|Host: h||"

# -- the client's connection: every row of the table ---------------------------------------------------------------

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


def _two(first: Step, *expect: Check) -> tuple[tuple[Step, ...], tuple[Check, ...]]:
    return (first, Response(), _NEXT, Response()), (statuses(200, 200), *expect)


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
         (statuses(200, 200), fresh()), (("HTTP/1.1 200 OK|Connection: close|Content-Length: 2||ok", Close()), _OK)),
]  # fmt: skip

# -- the upstream's connection: when it may carry another request --------------------------------------------------

_GET = "GET / HTTP/1.1|Host: h||"
_GATE = [
    # name, title, the first answer, whether its connection may be used again
    ("length", "a response of known length", (_OK,), True),
    ("chunked", "a chunked response", (_CHUNKED,), True),
    ("204", "a 204", ("HTTP/1.1 204 No Content||",), True),
    ("304", "a 304", ('HTTP/1.1 304 Not Modified|ETag: "a"||',), True),
    (
        "1.0-keep-alive",
        "HTTP/1.0 with `keep-alive` and a length",
        ("HTTP/1.0 200 OK|Connection: keep-alive|Content-Length: 2||ok",),
        True,
    ),
    ("1.0", "HTTP/1.0", ("HTTP/1.0 200 OK|Content-Length: 2||ok",), False),
    ("close", "`Connection: close`", ("HTTP/1.1 200 OK|Connection: close|Content-Length: 2||ok",), False),
    (
        "close-case",
        "`Connection: CLOSE ,, x`",
        ("HTTP/1.1 200 OK|Connection: CLOSE ,, x|Content-Length: 2||ok",),
        False,
    ),
    (
        "close-and-keep-alive",
        "`Connection: keep-alive, close`",
        ("HTTP/1.1 200 OK|Connection: keep-alive, close|Content-Length: 2||ok",),
        False,
    ),
    ("until-close", "a body until close", ("HTTP/1.1 200 OK||ok", Close()), False),
    (
        "keep-alive-max-0",
        "`Keep-Alive: max=0`",
        ("HTTP/1.1 200 OK|Connection: keep-alive|Keep-Alive: max=0|Content-Length: 2||ok",),
        False,
    ),
    (
        "keep-alive-timeout-1",
        "`Keep-Alive: timeout=1`, which leaves no margin",
        ("HTTP/1.1 200 OK|Connection: keep-alive|Keep-Alive: timeout=1|Content-Length: 2||ok",),
        False,
    ),
]
_KEEP_ALIVE_FIELD = {"keep-alive-max-0", "keep-alive-timeout-1"}


def _gate_row(name: str, title: str, answer: tuple[Step, ...], again: bool) -> Case:
    level = Level.SHOULD if again and name != "1.0-keep-alive" else Level.MUST
    level = Level.GOOD if name in _KEEP_ALIVE_FIELD or name == "1.0-keep-alive" else level
    title += ": its connection is used again" if again else ": its connection is not used again"
    return Case(f"upstream-{name}", title, _PERSISTENCE, level, (_GET, Response(), Pause(0.03), *([NewConnection()] if name == "until-close" else []), _NEXT, Response()),
                (status(200, 204, 304), status(200, at=1), reused() if again else fresh()),
                (answer, (_OK,)))  # fmt: skip


CASES += [
    *(_gate_row(*row) for row in _GATE),
    Case("upstream-client-close", "a client that says close does not cost the upstream's connection", _PERSISTENCE,
         Level.GOOD, ("GET / HTTP/1.1|Host: h|Connection: close||", Response(), Closed(), Pause(0.03), NewConnection(), _NEXT,
                      Response()), (statuses(200, 200), reused())),
    Case("upstream-1.0-client", "nor does an HTTP/1.0 client", _PERSISTENCE, Level.GOOD,
         ("GET / HTTP/1.0|Host: h||", Response(), Closed(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), reused())),
    Case("upstream-head", "after HEAD the connection is used again, whatever length it states", _PERSISTENCE,
         Level.SHOULD, ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), Pause(0.03), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), reused()), ("HTTP/1.1 200 OK|Content-Length: 99||", _OK)),
    Case("upstream-never-pipelined", "a second request does not go up before the first is answered", "RFC 9112 §9.3.2",
         Level.GOOD, (_GET + _NEXT, Response(), Response()),
         (statuses(200, 200), got_body(b"1"), got_body(b"2", at=1)),
         ((Pause(0.06), "HTTP/1.1 200 OK|Content-Length: 1||1"), "HTTP/1.1 200 OK|Content-Length: 1||2")),
    Case("upstream-surplus", "surplus bytes behind a response never reach the next client", "RFC 9112 §9.2", Level.MUST,
         (_GET, Response(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok"), got_body(b"ok", at=1), nowhere("evil"), nowhere("302")),
         (_OK + "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", _OK), promise=(fresh(),)),
    Case("upstream-surplus-later", "nor bytes that come while a connection is idle", "RFC 9112 §9.2", Level.MUST,
         (_GET, Response(), Await("sent"), Pause(0.05), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")),
         ((_OK, Pause(0.03), "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", Signal("sent")), _OK)),
    Case("upstream-surplus-chunked", "nor what follows a last chunk", "RFC 9112 §9.2", Level.MUST,
         (_GET, Response(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")),
         (_CHUNKED + "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", _OK)),
    Case("upstream-surplus-204", "nor a body behind a 204", "RFC 9112 §6.3", Level.MUST,
         (_GET, Response(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(204, 200), got_body(b"ok", at=1), nowhere("evil")),
         ("HTTP/1.1 204 No Content||HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", _OK)),
    Case("upstream-surplus-head", "nor a body in answer to HEAD", "RFC 9112 §6.3", Level.MUST,
         ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")), ("HTTP/1.1 200 OK|Content-Length: 4||evil", _OK)),
    Case("upstream-surplus-same-client", "nor are they the answer to the same client's next request", "RFC 9112 §9.2",
         Level.MUST, (_GET, Response(), Pause(0.03), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")),
         (_OK + "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", _OK)),
]  # fmt: skip

# -- a reused connection that has gone stale -----------------------------------------------------------------------

_STALE = "RFC 9112 §9.3.1"


def _stale(name: str, title: str, request: str, ending: Step, *expect: Check, level: Level = Level.GOOD) -> Case:
    """One good exchange, then the upstream ends the connection in answer to the second request's head."""
    return Case(f"stale-{name}", title, _STALE, level,
                (_GET, Response(), Pause(0.02), request, Verdict()), expect, (_OK, (ending,), _OK))  # fmt: skip


_POST = "POST /p HTTP/1.1|Host: h|Content-Length: 3||abc"
_once = at_most(2)

CASES += [
    Case("stale-idle-get", "an upstream that closes while idle costs a GET nothing", _STALE, Level.GOOD,
         (_GET, Response(), Await("gone"), Pause(0.05), _NEXT, Response()), (statuses(200, 200), fresh()),
         ((_OK, Signal("gone"), Close()), _OK)),
    Case("stale-idle-post", "nor a POST", _STALE, Level.GOOD,
         (_GET, Response(), Await("gone"), Pause(0.05), _POST, Response()),
         (statuses(200, 200), requests(2), sent_body(b"abc", at=1)), ((_OK, Signal("gone"), Close()), _OK)),
    _stale("get-close", "a GET that meets the close of a reused connection is sent once more", _NEXT, Close(),
           statuses(200, 200), requests(3), sent_start("GET /next HTTP/1.1", at=2)),
    _stale("get-reset", "a GET that meets a reset is sent once more", _NEXT, Reset(), statuses(200, 200), requests(3)),
    _stale("head", "so is a HEAD", "HEAD /next HTTP/1.1|Host: h||", Close(), requests(3)),
    _stale("put", "so is a PUT whose body is still at hand", "PUT /p HTTP/1.1|Host: h|Content-Length: 3||abc", Close(),
           statuses(200, 200), requests(3), sent_body(b"abc", at=2)),
    _stale("post-close", "a POST is never sent twice", _POST, Close(), _once, level=Level.MUST),
    _stale("post-reset", "nor where it meets a reset", _POST, Reset(), _once, level=Level.MUST),
    _stale("patch", "nor is a PATCH", _POST.replace("POST", "PATCH"), Close(), _once, level=Level.MUST),
    _stale("unknown-method", "nor a request with a method that nobody knows", "BREW /p HTTP/1.1|Host: h||", Close(),
           _once, level=Level.MUST),
    Case("stale-half-answered", "a GET whose response has begun is not sent again", _STALE, Level.MUST,
         (_GET, Response(), Pause(0.02), _NEXT, Verdict()), (_once,),
         (_OK, ("HTTP/1.1 200 OK|Content-Length: 9||ok", Close()), _OK)),
    Case("fresh-close", "a POST on a fresh connection that just closes is answered 502, not sent again", _STALE,
         Level.MUST, (_POST, Verdict()), (requests(1), status(502, 503, 504, 500)), ((Close(),), _OK)),
]  # fmt: skip

# -- pipelining and unread bodies ----------------------------------------------------------------------------------

_NUMBERED = tuple(f"HTTP/1.1 200 OK|Content-Length: 1||{number}" for number in range(1, 6))

CASES += [
    Case("pipelined-5", "five pipelined requests are answered in order", "RFC 9112 §9.3.2", Level.MUST,
         ("".join(f"GET /{i} HTTP/1.1|Host: h||" for i in range(5)), *[Response()] * 5),
         (statuses(*[200] * 5), *(got_body(str(i + 1).encode(), at=i) for i in range(5)), requests(5)), _NUMBERED),
    Case("pipelined-posts", "pipelined bodies do not run into each other", "RFC 9112 §9.3.2", Level.MUST,
         ("POST /1 HTTP/1.1|Host: h|Content-Length: 3||abcPOST /2 HTTP/1.1|Host: h|Transfer-Encoding: chunked||"
          "2|de|0||POST /3 HTTP/1.1|Host: h|Content-Length: 1||f", *[Response()] * 3),
         (statuses(200, 200, 200), sent_body(b"abc"), sent_body(b"de", at=1), sent_body(b"f", at=2))),
    Case("pipelined-then-half-close", "a client that ends its side is still answered", "RFC 9112 §9.6", Level.GOOD,
         (_GET + _NEXT, HalfClose(), Response(), Response()), (statuses(200, 200), requests(2))),
    Case("unread-body-get", "a GET's body is not the next request", "CVE-2025-4366", Level.MUST,
         ("GET / HTTP/1.1|Host: h|Content-Length: 40||GET /evil HTTP/1.1|Host: evil|X: abc|", Verdict()),
         (requests(1), sent_start("GET / HTTP/1.1"), no_surplus())),
    Case("unread-body-early-answer", "a body the upstream did not wait for is not the next request", "CVE-2025-4366",
         Level.MUST, ("POST / HTTP/1.1|Host: h|Content-Length: 28||", Maybe(), "GET /evil HTTP/1.1|Host: h||", Quiet(0.1)),
         (only_requests("POST / HTTP/1.1"),),
         ((Early(), "HTTP/1.1 413 Content Too Large|Content-Length: 0||"),)),
]  # fmt: skip
