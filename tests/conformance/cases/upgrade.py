"""Upgrades and tunnels (RFC 9110 §7.8)."""

from tests.conformance.checks.at_client import closed, got, got_body, got_lacks, got_options, nowhere, status, statuses
from tests.conformance.checks.at_upstream import requests, sent, sent_lacks, sent_like, sent_options, sent_start
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import echoed, not_switched, tunnelled, tunnelled_back
from tests.conformance.steps import (
    Case,
    Close,
    Closed,
    HalfClose,
    Level,
    Pause,
    Response,
    Slowly,
    Tunnel,
    Tunnelled,
    Verdict,
)

_UPGRADE = "RFC 9110 §7.8"
_KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==|Sec-WebSocket-Version: 13"
_ASK = f"GET /ws HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: websocket|{_KEY}||"
_SWITCH = (
    "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket|"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzhZRbK+xOo=||"
)
_OK = "HTTP/1.1 200 OK|Content-Length: 2||ok"


def _ask(options: str, fields: str = "", token: str = "websocket") -> str:
    return f"GET /ws HTTP/1.1|Host: h|Connection: {options}|Upgrade: {token}|{fields}{_KEY}||"


CASES = [
    Case("upgrade-websocket", "a WebSocket handshake goes through, and bytes flow both ways", _UPGRADE, Level.GOOD,
         (_ASK, Response(), "ping", Tunnelled(4)),
         (status(101), sent_like("Upgrade", "(?i)websocket"), sent_like("Connection", "(?i)upgrade"),
          got("Upgrade", "websocket"), echoed(b"ping")), ((_SWITCH, Tunnel()),)),
    Case("upgrade-key-passes", "the handshake's own fields are end to end", _UPGRADE, Level.GOOD,
         (_ASK, Response()),
         (sent("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), got("Sec-WebSocket-Accept",
          "s3pPLMBiTxaQ9kYGzhZRbK+xOo=")), ((_SWITCH, Tunnel()),)),
    Case("upgrade-nominated", "what is nominated beside Upgrade does not reach the upstream", "RFC 9110 §7.6.1",
         Level.MUST, (_ask("Upgrade, X-Internal-Auth", "X-Internal-Auth: 1|"), Response()),
         (status(101), sent_lacks("X-Internal-Auth"), sent_options("upgrade")), ((_SWITCH, Tunnel()),)),
    Case("upgrade-101-nominated", "what a 101 nominates beside Upgrade does not reach the client", "RFC 9110 §7.6.1",
         Level.MUST, (_ASK, Response(), "ping", Tunnelled(4)),
         (status(101), got_lacks("X-R"), got_options("upgrade"), echoed(b"ping")),
         ((_SWITCH.replace("Connection: Upgrade", "Connection: Upgrade, X-R|X-R: 1"), Tunnel()),)),
    Case("upgrade-101-standard", "the standard set is removed from a 101", "RFC 9110 §7.6.1", Level.SHOULD,
         (_ASK, Response()),
         (status(101), got_lacks("Keep-Alive", "Proxy-Connection")),
         ((_SWITCH.replace("Connection:", "Keep-Alive: timeout=5|Proxy-Connection: close|Connection:"), Tunnel()),)),
    Case("upgrade-101-proxy-authenticate", "Proxy-Authenticate is removed from a 101", "RFC 9110 §11.7.1", Level.GOOD,
         (_ASK, Response()), (status(101), got_lacks("Proxy-Authenticate")),
         ((_SWITCH.replace("Connection:", "Proxy-Authenticate: Basic|Connection:"), Tunnel()),)),
    Case("upgrade-bytes-with-101", "bytes that come in one segment with the 101 are not lost", _UPGRADE, Level.GOOD,
         (_ASK, Response(), "ping", Tunnelled(9)), (status(101), tunnelled(b"ping"), tunnelled_back(b"helloping")),
         ((_SWITCH + "hello", Tunnel()),)),
    Case("upgrade-bytewise", "a handshake and a tunnel, one byte per segment", _UPGRADE, Level.GOOD,
         (Slowly(_ASK), Response(), Slowly("ping"), Tunnelled(4)), (status(101), echoed(b"ping")),
         ((Slowly(_SWITCH), Tunnel()),)),
    Case("upgrade-server-ends", "the upstream's end of a tunnel reaches the client", _UPGRADE, Level.GOOD,
         (_ASK, Response(), Tunnelled(3), Closed()), (status(101), closed(), tunnelled(b""), tunnelled_back(b"bye")),
         ((_SWITCH + "bye", Close()),)),
    Case("upgrade-client-half-closes", "a client that ends its side still gets what comes back", _UPGRADE, Level.GOOD,
         (_ASK, Response(), "ping", HalfClose(), Tunnelled(4), Closed()), (status(101), closed(), echoed(b"ping")),
         ((_SWITCH, Tunnel()),)),
    Case("upgrade-many-bytes", "a megabyte goes through a tunnel whole", _UPGRADE, Level.GOOD,
         (_ASK, Response(), b"x" * 1_000_000, Tunnelled(1_000_000)), (status(101), echoed(b"x" * 1_000_000)),
         ((_SWITCH, Tunnel()),)),
    # -- refused and unasked
    Case("upgrade-refused", "an upstream that declines answers as ever, and the connection goes on", _UPGRADE,
         Level.GOOD, (_ASK, Response(), "GET /next HTTP/1.1|Host: h||", Response()),
         (statuses(200, 200), sent_start("GET /next HTTP/1.1", at=1), requests(2)), (_OK,)),
    Case("upgrade-smuggled-request", "what follows an upgrade request is parsed, not tunnelled, until a 101 has come",
         "CVE-2026-2833", Level.MUST, (_ASK + "GET /admin HTTP/1.1|Host: h||",
         Response(), Verdict()),
         (status(200), tunnelled(b""), either(requests(1), every(requests(2), sent_like("X-Forwarded-For", ".+", at=1)))), (_OK,),
         promise=(requests(2),)),
    Case("upgrade-unasked-101", "a 101 that nobody asked for is not passed on", _UPGRADE, Level.MUST,
         ("GET / HTTP/1.1|Host: h||", Verdict()), (not_switched(), nowhere("evil")),
         ((_SWITCH + "evil", Tunnel()),), promise=(status(502),)),
    Case("upgrade-other-protocol", "a 101 to another protocol than was asked for is not passed on", _UPGRADE,
         Level.MUST, (_ASK, Verdict()), (not_switched(), nowhere("evil")),
         ((_SWITCH.replace("Upgrade: websocket", "Upgrade: h2c") + "evil", Tunnel()),), promise=(status(502),)),
    Case("upgrade-101-without-upgrade", "a 101 without an Upgrade field is not passed on", _UPGRADE, Level.GOOD,
         (_ASK, Verdict()), (not_switched(),),
         (("HTTP/1.1 101 Switching Protocols|Connection: Upgrade||", Tunnel()),)),
    Case("upgrade-h2c", "h2c is not negotiated past the proxy", "RFC 9113 §3.1", Level.GOOD,
         _ask("Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk|", "h2c"),
         (status(200), requests(1), sent_lacks("Upgrade", "HTTP2-Settings"), sent_options())),
    Case("upgrade-h2c-settings", "HTTP2-Settings, nominated, does not reach the upstream", "RFC 9110 §7.6.1",
         Level.MUST, _ask("Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk|", "h2c"),
         (status(200), sent_lacks("HTTP2-Settings"))),
    Case("upgrade-h2c-101", "an upstream that switches to h2c all the same gets no tunnel", "RFC 9113 §3.1",
         Level.GOOD, (_ask("Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk|", "h2c"), Verdict()),
         (not_switched(),),
         (("HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: h2c||", Tunnel()),), promise=(status(502),)),
    Case("upgrade-not-nominated", "Upgrade without `Connection: Upgrade` asks for nothing", _UPGRADE, Level.SHOULD,
         f"GET /ws HTTP/1.1|Host: h|Upgrade: websocket|{_KEY}||", (status(200), requests(1), sent_lacks("Upgrade"))),
    Case("upgrade-1.0", "an HTTP/1.0 request cannot upgrade", _UPGRADE, Level.MUST,
         f"GET /ws HTTP/1.0|Host: h|Connection: Upgrade|Upgrade: websocket|{_KEY}||",
         (status(200), got_body(b"ok"), sent_lacks("Upgrade"))),
    Case("upgrade-options-case", "`Connection: keep-alive, UPGRADE` and `Upgrade: WebSocket` ask as well", _UPGRADE,
         Level.GOOD, (_ask("keep-alive, UPGRADE", token="WebSocket"), Response(), "ping", Tunnelled(4)),
         (status(101), echoed(b"ping")), ((_SWITCH, Tunnel()),)),
    Case("upgrade-426", "a 426 goes on as an ordinary response", _UPGRADE, Level.GOOD, _ASK,
         (status(426), got_body(b"no")), ("HTTP/1.1 426 Upgrade Required|Content-Length: 2||no",)),
    Case("upgrade-early-bytes", "bytes sent before the 101 are held back, and then tunnelled", _UPGRADE, Level.GOOD,
         (_ASK + "ping", Response(), Tunnelled(4)), (status(101), echoed(b"ping")),
         ((Pause(0.03), _SWITCH, Tunnel()),)),
    Case("upgrade-interim-first", "an interim response may come before the 101", _UPGRADE, Level.GOOD,
         (_ASK, Response(), "ping", Tunnelled(4)), (status(101), echoed(b"ping")),
         (("HTTP/1.1 103 Early Hints|Link: </a>||" + _SWITCH, Tunnel()),)),
]  # fmt: skip
