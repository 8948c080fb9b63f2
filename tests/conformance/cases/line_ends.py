"""White space at the end of a field line, and values that are empty, hide nothing of what stands behind them."""

from tests.conformance.cases.shared import GET, NEXT, case, get
from tests.conformance.checks.at_client import (
    closed,
    got,
    got_body,
    got_framing,
    got_like,
    no_surplus,
    status,
    statuses,
)
from tests.conformance.checks.at_upstream import requests, sent, sent_body
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import refused
from tests.conformance.steps import Case, Close, Level, Response, Verdict

_REF = "RFC 9112 §5.1, gh-106052"
_SECRETS = "Cookie: c=1|Authorization: b"
#: The end of a line, by name: what a parser may take for the end of the head.
_ENDS = {
    "empty": "X-Empty:",
    "empty-space": "X-Empty: ",
    "empty-tab": "X-Empty:\t",
    "space": "X-Empty: a ",
    "tab": "X-Empty: a\t",
    "spaces": "X-Empty: a \t ",
}
_VALUES = {name: line.partition(":")[2].strip() for name, line in _ENDS.items()}

CASES: list[Case] = [
    *(
        case(f"line-end-{name}", f"`{line!r}` in a request: the fields behind it go on, as one request", _REF, Level.MUST,
             get(f"{line}|{_SECRETS}"),
             (status(200), requests(1), sent("Cookie", "c=1"), sent("Authorization", "b"), sent("X-Empty", _VALUES[name])))
        for name, line in _ENDS.items()
    ),
    *(
        case(f"line-end-resp-{name}", f"`{line!r}` in a response: the fields behind it go on, as one response", _REF, Level.MUST,
             (GET, Response(), NEXT, Response()),
             (statuses(200, 200), got("Set-Cookie", "c=1"), got_body(b"ok"), got_body(b"ok", at=1), no_surplus()),
             f"HTTP/1.1 200 OK|{line}|Set-Cookie: c=1|Content-Length: 2||ok")
        for name, line in _ENDS.items()
    ),
    case("line-end-last", "white space at the end of the last line of a request", _REF, Level.MUST,
         (get("X-A: 1 ") + get("X-B: 2\t", "/2"), Response(), Response()), (statuses(200, 200), requests(2), sent("X-A", "1"), sent("X-B", "2", at=1))),
    case("line-end-length", "an empty Content-Length is not the end of the head, nor a length", _REF, Level.MUST,
         (f"POST / HTTP/1.1|Host: h|Content-Length: |{_SECRETS}||" + GET, Verdict()),
         (either(every(refused(), requests(0)), every(status(200), sent("Authorization", "b"))),), promise=(refused(400), closed())),
    case("line-end-length-space", "a Content-Length with a space behind it delimits the body", _REF, Level.MUST,
         f"POST / HTTP/1.1|Host: h|Content-Length: 5 |{_SECRETS}||abcde",
         (status(200), requests(1), sent_body(b"abcde"), sent("Authorization", "b"))),
    case("line-end-close", "`Connection: close ` does not hide the Transfer-Encoding behind it", _REF, Level.MUST,
         ("POST / HTTP/1.1|Host: h|Connection: close |Transfer-Encoding: chunked||1c|GET /2 HTTP/1.1|Host: h|||0||", Response()),
         (status(200), requests(1), sent_body(b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"))),
    case("line-end-chunked", "`Transfer-Encoding: chunked ` is the chunked coding", _REF, Level.MUST,
         "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked |Cookie: c=1||3|abc|0||", (status(200), sent_body(b"abc"), sent("Cookie", "c=1"))),
    case("line-end-body-is-a-request", "a body behind white space is a body, not the next request", _REF, Level.MUST,
         ("POST / HTTP/1.1|Host: h|X-A: 1 |Content-Length: 28||GET /2 HTTP/1.1|Host: h|||" + NEXT, Response(), Response()),
         (statuses(200, 200), requests(2), sent_body(b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"))),
    case("line-end-resp-close", "`Connection: close ` in a response does not hide the Transfer-Encoding behind it", _REF, Level.MUST,
         GET, (status(200), got_body(b"abc"), got_framing("chunked")), ("HTTP/1.1 200 OK|Connection: close |Transfer-Encoding: chunked||3|abc|0||", Close())),
    case("line-end-resp-length", "`Content-Length: 2 ` in a response delimits its body", _REF, Level.MUST,
         (GET, Response(), NEXT, Response()), (statuses(200, 200), got_body(b"ok"), got_body(b"ok", at=1), got_like("Content-Length", "2")),
         "HTTP/1.1 200 OK|Content-Length: 2 |X-A: 1||ok"),
]  # fmt: skip
