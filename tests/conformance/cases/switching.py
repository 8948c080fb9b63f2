"""Odd upgrades (RFC 9110 §7.8, RFC 6455)."""

from tests.conformance.cases.shared import ASK, GET, KEY, NEXT, POST, SMUGGLED, SWITCH, case, get, ok
from tests.conformance.checks.at_client import got, got_body, got_like, status, statuses
from tests.conformance.checks.at_upstream import sent, sent_body, sent_like
from tests.conformance.checks.check import either
from tests.conformance.checks.verdicts import echoed, not_switched, tunnelled, tunnelled_back
from tests.conformance.steps import (
    OK,
    Close,
    Level,
    Reset,
    Response,
    Tunnel,
    Tunnelled,
    Verdict,
    w,
)

CASES = [
    case("upgrade-close", "`Connection: close, Upgrade`: switched whole, or not at all", "RFC 9110 §7.8", Level.GOOD,
         (ASK.replace(": Upgrade", ": close, Upgrade"), Response(), "hi", Tunnelled(2)),
         (status(101), echoed(b"hi")), (SWITCH, Tunnel())),
    case("upgrade-choice", "of several protocols, the one that is allowed goes on", "RFC 9110 §7.8", Level.GOOD,
         (ASK.replace(": websocket", ": h2c, foo/1, WebSocket"), Response(), "hi", Tunnelled(2)),
         (status(101), sent_like("Upgrade", "(?i)websocket"), echoed(b"hi")), (SWITCH, Tunnel())),
    case("upgrade-101-200", "a 101 and a 200 behind it: those are the tunnel's bytes", "RFC 9110 §7.8", Level.GOOD,
         (ASK, Response(), Tunnelled(len(w(OK)))), (status(101), tunnelled(b""), tunnelled_back(w(OK))), (SWITCH + OK, Tunnel())),
    case("upgrade-101-length", "a 101 that states a length has none", "RFC 9112 §6.3", Level.MUST,
         (ASK, Response(), "hi", Tunnelled(2)), (either(not_switched(), echoed(b"hi")),),
         (SWITCH.replace("||", "|Content-Length: 5||"), Tunnel())),
    case("upgrade-101-no-option", "a 101 that does not nominate Upgrade: taken, or refused", "RFC 9110 §7.8", Level.GOOD,
         (ASK, Verdict()), (either(status(502), status(101)),), (SWITCH.replace("Connection: Upgrade|", ""), Close())),
    case("upgrade-101-unasked-body", "a 101 in answer to a POST is not passed on", "RFC 9110 §7.8", Level.MUST,
         (POST + SMUGGLED, Verdict()), (not_switched(),), (SWITCH, Tunnel())),
    case("upgrade-101-1.0", "a 101 of HTTP/1.0: taken, or refused", "RFC 9110 §15.2", Level.GOOD, (ASK, Verdict()),
         (either(status(502), status(101)),), (SWITCH.replace("HTTP/1.1", "HTTP/1.0"), Close())),
    case("upgrade-426-names-it", "a 426 tells the client the protocol, in a field of this hop's own", "RFC 9110 §15.5.22", Level.GOOD,
         get("X: 1", "/ws"), (status(426), got_like("Upgrade", "(?i)websocket"), got_like("Connection", "(?i).*upgrade.*")),
         ok("Connection: Upgrade|Upgrade: websocket", "no", "HTTP/1.1 426 Upgrade Required")),
    case("upgrade-426-version", "a handshake's 426 keeps the versions that would do", "RFC 6455 §4.4", Level.MUST, ASK,
         (status(426), got("Sec-WebSocket-Version", "13, 8")),
         ok("Sec-WebSocket-Version: 13, 8", "no", "HTTP/1.1 426 Upgrade Required")),
    case("upgrade-extensions", "subprotocols and extensions on several lines go through", "RFC 6455 §9.1", Level.MUST,
         (ASK.replace(KEY, KEY + "|Sec-WebSocket-Extensions: a|Sec-WebSocket-Extensions: b; c=1|Sec-WebSocket-Protocol: p, q"), Response()),
         (status(101), sent("Sec-WebSocket-Protocol", "p, q"), got("Sec-WebSocket-Protocol", "q"),
          either(sent("Sec-WebSocket-Extensions", "a", "b; c=1"), sent("Sec-WebSocket-Extensions", "a, b; c=1"))),
         (SWITCH.replace("||", "|Sec-WebSocket-Protocol: q||"), Tunnel())),
    case("upgrade-chunked", "an upgrade with a chunked body is an ordinary request", "RFC 9110 §7.8", Level.GOOD,
         (ASK.replace("Host: h", "Host: h|Transfer-Encoding: chunked") + "3|abc|0||" + NEXT, Response(), Response()),
         (statuses(200, 200), sent_body(b"abc"))),
    case("upgrade-reset", "a reset before the 101 is a 502, and the client may go on", "RFC 9110 §15.6.3", Level.GOOD,
         (ASK, Response(), GET, Response()), (statuses(502, 200),), (Reset(),), OK),
    case("upgrade-401", "a 401 in place of the 101, with a body in chunks", "RFC 9110 §7.8", Level.MUST,
         (ASK, Response(), ASK, Response(), "hi", Tunnelled(2)),
         (status(401), got_body(b"no"), status(101, at=1), echoed(b"hi")),
         "HTTP/1.1 401 U|WWW-Authenticate: Basic|Transfer-Encoding: chunked||2|no|0||", (SWITCH, Tunnel())),
]  # fmt: skip
