"""What many cases are made of."""

from tests.conformance.steps import OK, Answer, Case, Check, Early, Invite, Level, ReadBody, Step

GET, NEXT = "GET / HTTP/1.1|Host: h||", "GET /2 HTTP/1.1|Host: h||"
SMUGGLED = "GET /smuggled HTTP/1.1|Host: h||"
POST = "POST / HTTP/1.1|Host: h|Content-Length: 3||abc"
CHUNKED = "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked||"
EXPECT = "POST / HTTP/1.1|Host: h|Expect: 100-continue|Content-Length: 3||"
KEY = "Sec-WebSocket-Version: 13|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzhZRbK+xOo="
ASK = f"GET /ws HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: websocket|{KEY}||"
SWITCH = f"HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket|{ACCEPT}||"
HOP = "RFC 9110 §7.6.1"
BEGUN = "GET / HTTP/1.1|Host: h|"  # a head that goes on
HEAD = "HEAD / HTTP/1.1|Host: h||"
HINT = "HTTP/1.1 103 Early Hints|Link: </a>||"
INVITING = (Early(), Invite(), ReadBody(), OK)


def get(fields: str, target: str = "/", method: str = "GET", version: str = "1.1") -> str:
    """A request without a body."""
    return f"{method} {target} HTTP/{version}|Host: h|{fields}||"


def ok(fields: str, body: str = "ok", start: str = "HTTP/1.1 200 OK") -> str:
    """A response with a length."""
    return f"{start}|{fields}|Content-Length: {len(body)}||{body}"


def case(
    name: str,
    title: str,
    reference: str,
    level: Level,
    client: str | tuple[Step, ...],
    expect: tuple[Check, ...],
    *upstream: Answer,
    promise: tuple[Check, ...] = (),
    setting: str = "plain",
) -> Case:
    """A case whose upstream answers stand last, because there are several."""
    return Case(name, title, reference, level, client, expect, upstream or (OK,), promise, setting)
