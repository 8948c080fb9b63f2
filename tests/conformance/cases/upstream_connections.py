"""When an upstream connection carries another request, and what is sent again (RFC 9112 §9.3.1)."""

from tests.conformance.cases.shared import GET, HINT, HOP, NEXT, case, get, ok
from tests.conformance.checks.at_client import got_body, got_lacks, nowhere, status, statuses, stays_open
from tests.conformance.checks.at_upstream import (
    at_most,
    fresh,
    requests,
    reused,
    sent_body,
    sent_nowhere,
    sent_start,
    sent_trailers,
)
from tests.conformance.steps import (
    OK,
    Await,
    Case,
    Check,
    Close,
    Closed,
    Early,
    EndAcknowledged,
    HalfClose,
    Level,
    NewConnection,
    Pause,
    Reset,
    Response,
    Signal,
    Step,
    Verdict,
)

_PERSISTENCE = "RFC 9112 §9.3"
_CHUNKED = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||"
_NEXT = "GET /next HTTP/1.1|Host: h||"

# -- the upstream's connection: when it may carry another request --------------------------------------------------

_GATE = [
    # name, title, the first answer, whether its connection may be used again
    ("length", "a response of known length", (OK,), True),
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
    return Case(f"upstream-{name}", title, _PERSISTENCE, level, (GET, Response(), Pause(0.03), *([NewConnection()] if name == "until-close" else []), _NEXT, Response()),
                (status(200, 204, 304), status(200, at=1), reused() if again else fresh()),
                (answer, (OK,)))  # fmt: skip


CASES = [
    *(_gate_row(*row) for row in _GATE),
    Case("upstream-client-close", "a client that says close does not cost the upstream's connection", _PERSISTENCE,
         Level.GOOD, ("GET / HTTP/1.1|Host: h|Connection: close||", Response(), Closed(), Pause(0.03), NewConnection(), _NEXT,
                      Response()), (statuses(200, 200), reused())),
    Case("upstream-1.0-client", "nor does an HTTP/1.0 client", _PERSISTENCE, Level.GOOD,
         ("GET / HTTP/1.0|Host: h||", Response(), Closed(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), reused())),
    Case("upstream-head", "after HEAD the connection is used again, whatever length it states", _PERSISTENCE,
         Level.SHOULD, ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), Pause(0.03), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), reused()), ("HTTP/1.1 200 OK|Content-Length: 99||", OK)),
    Case("upstream-never-pipelined", "a second request does not go up before the first is answered", "RFC 9112 §9.3.2",
         Level.GOOD, (GET + _NEXT, Response(), Response()),
         (statuses(200, 200), got_body(b"1"), got_body(b"2", at=1)),
         ((Pause(0.06), "HTTP/1.1 200 OK|Content-Length: 1||1"), "HTTP/1.1 200 OK|Content-Length: 1||2")),
    Case("upstream-surplus", "surplus bytes behind a response never reach the next client", "RFC 9112 §9.2", Level.MUST,
         (GET, Response(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok"), got_body(b"ok", at=1), nowhere("evil"), nowhere("302")),
         (OK + "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", OK), promise=(fresh(),)),
    Case("upstream-surplus-later", "nor bytes that come while a connection is idle", "RFC 9112 §9.2", Level.MUST,
         (GET, Response(), Await("sent"), Pause(0.05), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")),
         ((OK, Pause(0.03), "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", Signal("sent")), OK)),
    Case("upstream-surplus-chunked", "nor what follows a last chunk", "RFC 9112 §9.2", Level.MUST,
         (GET, Response(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")),
         (_CHUNKED + "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", OK)),
    Case("upstream-surplus-204", "nor a body behind a 204", "RFC 9112 §6.3", Level.MUST,
         (GET, Response(), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(204, 200), got_body(b"ok", at=1), nowhere("evil")),
         ("HTTP/1.1 204 No Content||HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", OK)),
    Case("upstream-surplus-head", "nor a body in answer to HEAD", "RFC 9112 §6.3", Level.MUST,
         ("HEAD / HTTP/1.1|Host: h||", Response("HEAD"), Pause(0.03), NewConnection(), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")), ("HTTP/1.1 200 OK|Content-Length: 4||evil", OK)),
    Case("upstream-surplus-same-client", "nor are they the answer to the same client's next request", "RFC 9112 §9.2",
         Level.MUST, (GET, Response(), Pause(0.03), _NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1), nowhere("evil")),
         (OK + "HTTP/1.1 302 Found|Location: /evil|Content-Length: 0||", OK)),
]  # fmt: skip

# -- a reused connection that has gone stale -----------------------------------------------------------------------

_STALE = "RFC 9112 §9.3.1"


def _stale(name: str, title: str, request: str, ending: Step, *expect: Check, level: Level = Level.GOOD) -> Case:
    """One good exchange, then the upstream ends the connection in answer to the second request's head."""
    return Case(f"stale-{name}", title, _STALE, level,
                (GET, Response(), Pause(0.02), request, Verdict(request.split()[0])), expect,
                (OK, (ending,), OK))  # fmt: skip


_POST = "POST /p HTTP/1.1|Host: h|Content-Length: 3||abc"
_once = at_most(2)

CASES += [
    Case("stale-idle-get", "an upstream that closes while idle costs a GET nothing", _STALE, Level.GOOD,
         (GET, Response(), Await("gone"), Pause(0.05), _NEXT, Response()), (statuses(200, 200), fresh()),
         ((OK, HalfClose(), EndAcknowledged(), Signal("gone"), Close()), OK)),
    Case("stale-idle-post", "nor a POST", _STALE, Level.GOOD,
         (GET, Response(), Await("gone"), Pause(0.05), _POST, Response()),
         (statuses(200, 200), requests(2), sent_body(b"abc", at=1)), ((OK, HalfClose(), EndAcknowledged(), Signal("gone"), Close()), OK)),
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
         (GET, Response(), Pause(0.02), _NEXT, Verdict()), (_once,),
         (OK, ("HTTP/1.1 200 OK|Content-Length: 9||ok", Close()), OK)),
    Case("fresh-close", "a POST on a fresh connection that just closes is answered 502, not sent again", _STALE,
         Level.MUST, (_POST, Verdict()), (requests(1), status(502, 503, 504, 500)), ((Close(),), OK)),
]  # fmt: skip

CASES += [
    Case("keep-alive-two-lines", "Keep-Alive over two lines: the sooner end counts", "RFC 2068 §19.7.1.1", Level.GOOD,
         (GET, Response(), NEXT, Response()), (statuses(200, 200), fresh(), got_lacks("Keep-Alive")),
         ("HTTP/1.1 200 OK|Keep-Alive: timeout=60 ,max=5|KEEP-ALIVE: MAX = 0|Content-Length: 2||ok", OK)),
    Case("keep-alive-garbage", "what makes no sense in Keep-Alive means nothing", "RFC 2068 §19.7.1.1", Level.GOOD,
         (GET, Response(), NEXT, Response()), (statuses(200, 200), reused()),
         ("HTTP/1.1 200 OK|Keep-Alive: timeout=-1, max=abc, ;;, timeout|Content-Length: 2||ok", OK)),
    Case("stale-put-trailers", "a chunked PUT sent again brings its trailers again, and not the nominated one", HOP,
         Level.GOOD,
         (GET, Response(), "PUT /p HTTP/1.1|Host: h|Connection: X-N|Transfer-Encoding: chunked|Trailer: X-T, x-n||"
          "3|abc|0|X-T: 1|X-N: 2||", Response()),
         (statuses(200, 200), requests(3), sent_body(b"abc", at=2), sent_trailers("x-t", at=2), sent_nowhere("X-N")),
         (OK, (Close(),), OK)),
    Case("stale-interim", "a reused connection that closes after a 103: not sent again", "RFC 9110 §9.2.2", Level.GOOD,
         (GET, Response(), NEXT, Response()), (status(200), status(502, 503, at=1), requests(2)),
         (OK, (HINT, Close()), OK), promise=(statuses(200, 502),)),
    Case("empty-then-reset", "a whole answer of no length, and a reset behind it", "RFC 9112 §6.3", Level.GOOD,
         (GET, Response(), NEXT, Response()), (statuses(200, 200), got_body(b"")),
         (("HTTP/1.1 200 OK|Content-Length: 0||", Reset()), OK)),
    case("stale-delete", "a DELETE that meets the close of a reused connection is sent once more", "RFC 9110 §9.2.2", Level.GOOD,
         (GET, Response(), get("X: 1", "/d", "DELETE"), Response()), (statuses(200, 200), requests(3)), OK, (Close(),), OK),
    case("stale-twice", "a second close on a fresh connection ends in 502", "RFC 9112 §9.3.1", Level.GOOD,
         (GET, Response(), NEXT, Response()), (statuses(200, 502), requests(3)), OK, (Close(),), (Close(),), OK),
    case("stale-put-partial", "a PUT whose body is still coming is never sent twice in part", "RFC 9112 §9.3.1", Level.MUST,
         (GET, Response(), "PUT /p HTTP/1.1|Host: h|Content-Length: 6||abc", Pause(), "def", Verdict()),
         (at_most(3), lambda r: None if all(m.body in (b"", b"abc", b"abcdef") for m in r.requests) else "mixed"),
         OK, (Early(), Close()), OK),
    case("reset-mid-response", "a reset behind a whole response does not spoil it", "RFC 9112 §9.6", Level.GOOD,
         (GET, Response(), Pause(), NEXT, Response()), (statuses(200, 200), got_body(b"ok")), (OK, Reset()), OK),
    case("stays-open-404", "an upstream's error costs no connection on either side", "RFC 9112 §9.3", Level.SHOULD,
         (GET, Response(), NEXT, Response()), (statuses(500, 404), reused(), stays_open()),
         ok("X: 1", "no", "HTTP/1.1 500 I"), ok("X: 1", "no", "HTTP/1.1 404 N")),
]  # fmt: skip
