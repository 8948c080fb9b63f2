"""What goes on as it came (RFC 9110 §5, §7.7, §8 to §14)."""

from tests.conformance.cases.shared import GET, NEXT, case, get, ok
from tests.conformance.checks.at_client import got, got_body, status, statuses
from tests.conformance.checks.at_upstream import sent, sent_body, sent_not_added
from tests.conformance.play import Record
from tests.conformance.steps import Case, Level, Response


def _via_ends(record: Record) -> str | None:
    """This hop's member is the last of the request's Via, the client's own stand before it."""
    members = [part.strip() for value in record.requests[0].values("via") for part in value.split(",") if part.strip()]
    good = members[:2] == ["1.0 a", "1.1 b"] and len(members) == 3
    return None if good else f"Via: {members}"


# -- what goes on untouched (RFC 9110 §5, §7.7, §8 to §14) ----------------------------------------------------------

_UP = [
    # name, reference, level, the lines of a request that arrive as they were sent
    ("authorization", "RFC 9110 §11.6.2", Level.MUST, 'Authorization: Digest username="a, b", qop=auth'),
    ("preconditions", "RFC 9110 §13.1", Level.MUST, 'If-Match: "a", W/"b"|If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT'),
    ("range", "RFC 9110 §14.2", Level.GOOD, "Range: bytes=0-1,-5|If-Range: \"x\""),
    ("user-agent", "RFC 9110 §10.1.5", Level.GOOD, "User-Agent: a/1 (b; c) d/2|From: a@b|Referer: http://x/?q"),
    ("accept", "RFC 9110 §12.5", Level.GOOD, "Accept: text/html;q=0.5, */*;q=0|Accept-Encoding: |Accept-Language: de"),
    ("unknown", "RFC 9110 §5.1", Level.MUST, "X-Any: 1|Foo: (a, \"b\")|Connection-Foo: 2|Keep-Alive-Not: 3|Te2: 4"),
    ("punctuation", "RFC 9110 §5.1", Level.MUST, "!#$%&'*+.^`~: 1"),
    ("cookies", "RFC 6265 §5.4", Level.GOOD, "Cookie: a=b; c=\"d\"|Priority: u=1|Sec-Fetch-Mode: navigate"),
    ("date", "RFC 9110 §6.6.1", Level.GOOD, "Date: Sun, 06 Nov 1994 08:49:37 GMT|Content-Language: en"),
]  # fmt: skip
_DOWN = [
    ("www-authenticate", "RFC 9110 §11.6.1", Level.MUST, 'WWW-Authenticate: Basic realm="a, b", Negotiate|Authentication-Info: n="1"'),
    ("allow", "RFC 9110 §10.2.1", Level.MUST, "Allow: GET, BREW"),
    ("server", "RFC 9110 §10.2.4", Level.GOOD, "Server: a/1 (b)|X-Powered-By: c"),
    ("validators", "RFC 9110 §8.8", Level.MUST, 'ETag: W/"x"|Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT|Vary: *'),
    ("coding", "RFC 9110 §7.7", Level.MUST, "Content-Encoding: gzip|Cache-Control: no-transform|Content-Type: a/b; c=\"d\""),
    ("location", "RFC 9110 §10.2.2", Level.GOOD, "Location: ../x#y|Content-Location: /z|Retry-After: 5"),
    ("range", "RFC 9110 §14.4", Level.GOOD, "Accept-Ranges: bytes|Content-Range: bytes */9"),
    ("proxy-status", "RFC 9209 §2", Level.GOOD, "Proxy-Status: inner; error=dns_error|Age: 3|Warning: 110 - \"x\""),
    ("alt-svc", "RFC 7838 §3", Level.GOOD, 'Alt-Svc: h3=":443"; ma=1|Strict-Transport-Security: max-age=1'),
]  # fmt: skip


def _lines(text: str) -> list[tuple[str, str]]:
    pairs = [(name, value.strip()) for line in text.split("|") for name, colon, value in [line.partition(":")] if colon]
    return pairs


CASES = [
    *(
        case(f"up-{name}", f"a request's {name} goes on as it came", reference, level, get(lines),
             (status(200), *(sent(key, value) for key, value in _lines(lines))))
        for name, reference, level, lines in _UP
    ),
    *(
        case(f"down-{name}", f"a response's {name} goes on as it came", reference, level, GET,
             (status(200), *(got(key, value) for key, value in _lines(lines))), ok(lines))
        for name, reference, level, lines in _DOWN
    ),
    case("down-206", "a 206 of several parts goes on as it came", "RFC 9110 §15.3.7", Level.MUST, GET,
         (status(206), got_body(b"--x\r\n\r\na\r\n--x--"), got("Content-Type", "multipart/byteranges; boundary=x")),
         "HTTP/1.1 206 P|Content-Type: multipart/byteranges; boundary=x|Content-Length: 15||--x||a|--x--"),
    case("no-length-added", "a GET and a DELETE without a body are not given one", "RFC 9110 §8.6", Level.SHOULD,
         (GET, Response(), get("X: 1", method="DELETE"), Response()),
         (statuses(200, 200), sent_not_added("Content-Length", "Transfer-Encoding"),
          sent_not_added("Content-Length", "Transfer-Encoding", at=1))),
    case("length-0-kept", "a GET that states a length of 0 stays bodiless", "RFC 9112 §6.2", Level.MUST,
         (get("Content-Length: 0"), Response(), NEXT, Response()), (statuses(200, 200), sent_body(b""))),
    case("no-max-forwards-added", "no Max-Forwards is made up", "RFC 9110 §9.3.7", Level.MUST, get("X: 1", method="OPTIONS"),
         (status(200), sent_not_added("Max-Forwards"))),
    case("via-lines", "this hop comes last in a Via of several lines and empty members", "RFC 9110 §7.6.3", Level.MUST,
         get("Via: ,1.0 a ,|Via: 1.1 b"), (status(200), _via_ends)),
    case("via-response-chain", "an upstream's Via stays before this hop's", "RFC 9110 §7.6.3", Level.GOOD, GET,
         (status(200), lambda r: None if ",".join(r.responses[0].values("via")).startswith("1.1 a") else "order"),
         ok("Via: 1.1 a")),
]  # fmt: skip

CASES += [
    Case("odd-values", "obs-text, tabs within and empty values, both ways", "RFC 9110 §5.5", Level.GOOD,
         "GET / HTTP/1.1|Host: h|X-O: \xe9\ta|X-E: |X-F:||",
         (status(200), sent("X-O", "\xe9\ta"), sent("X-E", ""), sent("X-F", ""), got("X-O", "\xff"), got("X-E", "")),
         ("HTTP/1.1 200 \xe9|X-O: \xff|X-E:\t |Content-Length: 2||ok",)),
]  # fmt: skip
