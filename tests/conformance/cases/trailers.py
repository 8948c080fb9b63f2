"""Trailer sections, in both directions (RFC 9110 §6.5, RFC 9112 §7.1)."""

from tests.conformance.cases.shared import CHUNKED, HOP, NEXT, case, get, ok
from tests.conformance.checks.at_client import (
    got,
    got_body,
    got_framing,
    got_lacks,
    got_like,
    got_no_line,
    got_no_trailer,
    got_trailers,
    got_trailers_lack,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import (
    sent,
    sent_body,
    sent_lacks,
    sent_like,
    sent_no_line,
    sent_no_trailer,
    sent_nowhere,
    sent_options,
    sent_trailers,
    sent_trailers_lack,
)
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import refused
from tests.conformance.steps import OK, Case, Check, Level, Response, Slowly, Step, Verdict

_TRAILERS, _CONNECTION = "RFC 9110 §6.5.1", "RFC 9110 §7.6.1"


def _post(head: str, trailers: str) -> str:
    return f"POST / HTTP/1.1|Host: h|{head}Transfer-Encoding: chunked||3|abc|0|{trailers}||"


def _get(te: bool) -> str:
    return f"GET / HTTP/1.1|Host: h|{'TE: trailers|Connection: TE|' if te else ''}|"


def _answer(head: str, trailers: str) -> str:
    return f"HTTP/1.1 200 OK|{head}Transfer-Encoding: chunked||3|abc|0|{trailers}||"


def _request(
    name: str,
    title: str,
    head: str,
    trailers: str,
    *expect: Check,
    level: Level = Level.MUST,
    reference: str = _TRAILERS,
    promise: tuple[Check, ...] = (),
) -> Case:
    expect = (status(200), sent_body(b"abc"), *expect)
    return Case(f"request-trailer-{name}", title, reference, level, _post(head, trailers), expect, promise=promise)


def _response(
    name: str,
    title: str,
    head: str,
    trailers: str,
    *expect: Check,
    level: Level = Level.MUST,
    reference: str = _TRAILERS,
    te: bool = True,
) -> Case:
    expect = (status(200), got_body(b"abc"), *expect)
    return Case(f"response-trailer-{name}", title, reference, level, _get(te), expect, (_answer(head, trailers),))


# What a trailer section must not say: it would frame, route, authenticate or speak for somebody (RFC 9110 §6.5.1).
_FORBIDDEN_UP = [
    "Content-Length: 71", "Transfer-Encoding: forged", "Host: forged", "Connection: forged", "Authorization: forged",
    "Cookie: forged", "X-Forwarded-For: forged", "X_Forwarded_For: forged", "X-Forwarded-Host: forged",
    "X-Forwarded-Proto: forged", "X-Forwarded-Fo9r: forged", "X-Real-IP: forged", "Forwarded: for=forged",
    "Content-Type: forged", "Content-Encoding: forged", "Expect: forged", "Max-Forwards: 71", "Range: forged", "Via: 1.1 forged",
    "Cache-Control: forged", "Trailer: forged", "Proxy-Authorization: forged", "If-None-Match: forged",
]  # fmt: skip
_FORBIDDEN_DOWN = [
    "Content-Length: 71", "Transfer-Encoding: forged", "Connection: forged", "Set-Cookie: forged",
    "WWW-Authenticate: forged", "Proxy-Authenticate: forged", "Location: forged", "Content-Type: forged",
    "Content-Encoding: forged", "Content-Range: forged", "Cache-Control: forged", "Age: 71", "Date: forged",
    "Vary: forged", "Via: 1.1 forged", "Retry-After: 71", "Trailer: forged",
]  # fmt: skip
_FRAMING = {"content-length", "transfer-encoding", "host"}
_STANDARD = ("Keep-Alive", "Proxy-Connection", "TE", "Upgrade")
_STANDARD_LINES = "Keep-Alive: timeout=5|Proxy-Connection: close|TE: gzip|Upgrade: h2c"


def _forbidden_up(line: str) -> Case:
    name, _, value = line.partition(": ")
    script: tuple[Step, ...] = (_post("", f"{line}|X-U: w"), Verdict())
    dropped = every(status(200), sent_body(b"abc"), sent_trailers_lack(name), sent_no_line(name, value))
    level = Level.MUST if name.lower() in _FRAMING else Level.GOOD
    title = f"a request trailer {name} goes no further"
    return Case(f"request-trailer-{name.lower()}", title, _TRAILERS, level, script, (either(dropped, refused()),))


def _forbidden_down(line: str) -> Case:
    name, _, value = line.partition(": ")
    dropped = every(status(200), got_body(b"abc"), got_trailers_lack(name), got_no_line(name, value))
    level = Level.MUST if name.lower() in _FRAMING else Level.GOOD
    title = f"a response trailer {name} goes no further"
    answer = _answer("", f"{line}|X-U: w")
    expect = (either(dropped, status(502)),)
    return Case(f"response-trailer-{name.lower()}", title, _TRAILERS, level, _get(True), expect, (answer,))


CASES = [
    _request("nominated", "a nominated request trailer is dropped", "Connection: X-T|", "X-T: v",
             sent_no_trailer("X-T"), reference=_CONNECTION),
    _request("nominated-case", "whatever its spelling", "Connection: close, x-t|", "X-T: v", sent_no_trailer("X-T"),
             reference=_CONNECTION),
    _request("nominated-second-line", "also by a second Connection line", "Connection: |Connection: X-T|", "X-T: v",
             sent_no_trailer("X-T"), reference=_CONNECTION),
    _request("nominated-announced", "a nominated trailer is not announced", "Connection: X-T|Trailer: X-T|", "X-T: v",
             sent_no_trailer("X-T"), sent_lacks("Trailer"), level=Level.GOOD),
    _request("standard", "names of the standard set are dropped from trailers", "", _STANDARD_LINES,
             sent_no_trailer(*_STANDARD), level=Level.SHOULD, reference=_CONNECTION),
    _request("not-merged", "a trailer does not become a header field", "", "X-T: v", sent_lacks("X-T")),
    _request("kept", "an ordinary request trailer goes on where the body stays chunked", "", "X-T: v",
             sent_trailers("x-t"), level=Level.GOOD),
    _request("announced", "its announcement goes on, made anew", "Trailer: X-T, Content-Length|", "X-T: v",
             sent_like("Trailer", "(?i)x-t"), sent_trailers("x-t"), level=Level.GOOD),
    _request("several", "order and duplicates of trailers are kept", "", "X-T: 1|X-U: 2|X-T: 3",
             sent_trailers("x-t", "x-u", "x-t"), level=Level.GOOD),
    *(_forbidden_up(line) for line in _FORBIDDEN_UP),
    Case("request-trailer-bytewise", "a chunked body with trailers, one byte per segment", "RFC 9112 §7.1", Level.MUST,
         (Slowly(_post("", "X-T: v|X-U: w")), Verdict()), (status(200), sent_body(b"abc"), sent_lacks("X-T"))),
    # -- responses
    _response("nominated", "a nominated response trailer is dropped", "Connection: X-T|", "X-T: v",
              got_no_trailer("X-T"), reference=_CONNECTION),
    _response("nominated-case", "whatever its spelling", "Connection: keep-alive, x-t|", "X-T: v",
              got_no_trailer("X-T"), reference=_CONNECTION),
    _response("nominated-second-line", "also by a second Connection line", "Connection: |Connection: X-T|", "X-T: v",
              got_no_trailer("X-T"), reference=_CONNECTION),
    _response("standard", "names of the standard set are dropped from trailers", "", _STANDARD_LINES,
              got_no_trailer(*_STANDARD), level=Level.SHOULD, reference=_CONNECTION),
    _response("not-merged", "a trailer does not become a header field", "", "X-T: v", got_lacks("X-T")),
    _response("kept", "an ordinary response trailer goes on to a client that says TE: trailers", "", "X-T: v",
              got_trailers("x-t"), level=Level.GOOD),
    _response("announced", "its announcement goes on, made anew", "Trailer: X-T, Set-Cookie|", "X-T: v",
              got_like("Trailer", "(?i)x-t"), got_trailers("x-t"), level=Level.GOOD),
    _response("unasked", "a client that does not say TE: trailers gets none", "Trailer: X-T|", "X-T: v",
              got_no_trailer("X-T", "Trailer"), level=Level.GOOD, te=False),
    *(_forbidden_down(line) for line in _FORBIDDEN_DOWN),
    Case("response-trailer-to-1.0", "an HTTP/1.0 client gets neither chunks nor trailers", "RFC 9112 §6.1",
         Level.MUST, "GET / HTTP/1.0|Host: h|TE: trailers||",
         (status(200), got_body(b"abc"), got_framing("close", "length"), got_no_trailer("X-T")),
         (_answer("Trailer: X-T|", "X-T: v"),)),
    Case("response-trailer-bytewise", "a chunked response with trailers, one byte per segment", "RFC 9112 §7.1",
         Level.MUST, _get(True), (status(200), got_body(b"abc"), got_lacks("X-T")),
         ((Slowly(_answer("", "X-T: v|X-U: w")),),)),
]  # fmt: skip

CASES += [
    Case("trailer-announced-anew", "announced on two lines, one of them nominated; asked for in an odd way", HOP,
         Level.MUST, "GET / HTTP/1.1|Host: h|TE: gzip;q=0.5, TRAILERS|Connection: te||",
         (status(200), got_no_trailer("X-N")),
         ("HTTP/1.1 200 OK|Connection: x-N|Transfer-Encoding: chunked|Trailer: X-n|Trailer: , X-T ,,||"
          "2|ok|0|X-N: 1|x-n: 2|X-T: 3||",),
         promise=(got_trailers("x-t"), got("Trailer", "x-t"), sent("TE", "trailers"))),
    Case("trailer-ruled", "no trailer forges what the route puts", "RFC 9110 §6.5.1", Level.GOOD,
         "POST /ruled HTTP/1.1|Host: h|Transfer-Encoding: chunked|Trailer: X-Auth-User||3|abc|0|X-Auth-User: root||",
         (status(200), sent_nowhere("root")), setting="ruled"),
    Case("trailer-request-id", "no trailer brings a request id, in either spelling", "RFC 9110 §6.5.1", Level.GOOD,
         CHUNKED + "3|abc|0|X_Request_Id: mine|X-REQUEST-ID: mine||", (status(200), sent_nowhere("mine"))),
    Case("trailer-connection", "Connection as a trailer goes no further, nor does Keep-Alive", HOP, Level.MUST,
         CHUNKED + "1|a|0|Connection: X-T|Keep-Alive: 1|X-T: 1||",
         (status(200), sent_trailers_lack("Connection", "Keep-Alive"))),
    case("nom-not-across-trailers", "nor of trailers in the other direction", HOP, Level.GOOD,
         "POST / HTTP/1.1|Host: h|Connection: TE, X-U|TE: trailers|Transfer-Encoding: chunked||1|a|0|X-U: 1|X-D: 2||",
         (status(200), sent_trailers("x-d"), got_trailers("x-u")),
         "HTTP/1.1 200 OK|Connection: X-D|Transfer-Encoding: chunked||1|a|0|X-U: 3|X-D: 4||"),
    case("nom-trailer-and-field", "a nominated name is gone as a field and as a trailer of one message", HOP, Level.MUST,
         "POST / HTTP/1.1|Host: h|Connection: x-t|X-T: first|Transfer-Encoding: chunked||1|a|0|x-T: two||",
         (status(200), sent_nowhere("first"), sent_nowhere("two"))),
    case("nom-trailer-word", "nominating Trailer announces no less, and brings no line of the client's", HOP, Level.MUST,
         "POST / HTTP/1.1|Host: h|Connection: Trailer|Trailer: X-T, Host|Transfer-Encoding: chunked||1|a|0|X-T: 1||",
         (status(200), sent_options(), either(sent_lacks("Trailer"), sent_like("Trailer", "(?i)x-t")))),
    case("list-te", "empty members in TE", "RFC 9110 §5.6.1.2", Level.GOOD, get("TE: , trailers ,|Connection: ,TE"),
         (status(200), got_trailers("x-t")), "HTTP/1.1 200 OK|Transfer-Encoding: chunked||1|a|0|X-T: 1||"),
    case("trailers-obs-text", "trailers with obs-text, empty and padded values", "RFC 9110 §5.5", Level.GOOD,
         CHUNKED + "1|a|0|X-A: \xe4|X-B:|X-C: \t1 \t||", (status(200), sent_trailers("x-a", "x-b", "x-c"))),
    case("trailers-fixed-response", "a Trailer that no chunks follow is not announced", "RFC 9110 §6.6.2", Level.GOOD,
         get("TE: trailers|Connection: TE"), (status(200), got_lacks("Trailer")), ok("Trailer: X-T")),
    case("trailers-head", "nor in answer to HEAD, where trailers cannot come", "RFC 9110 §6.6.2", Level.GOOD,
         ("HEAD / HTTP/1.1|Host: h|TE: trailers|Connection: TE||", Response("HEAD"), NEXT, Response()),
         (statuses(200, 200), got_body(b"ok", at=1)), "HTTP/1.1 200 OK|Trailer: X-T|Transfer-Encoding: chunked||", OK),
    case("trusted-trailers", "trusted: X-Forwarded-For in a trailer is believed by nobody", "RFC 9110 §6.5.1", Level.GOOD,
         CHUNKED + "1|a|0|X-Forwarded-For: 6.6.6.6||", (status(200), sent_nowhere("6.6.6.6")), setting="trusting"),
    case("ruled-nominated-trailer", "a field that the route sets, nominated and sent as a trailer", "CVE-2021-32813", Level.GOOD,
         "POST /ruled HTTP/1.1|Host: h|Connection: X-Auth-User|Transfer-Encoding: chunked||1|a|0|X-Auth-User: root||",
         (status(200), sent("X-Auth-User", "a"), sent_nowhere("root")), setting="ruled"),
]  # fmt: skip
