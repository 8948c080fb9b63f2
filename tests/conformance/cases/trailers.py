"""Trailer sections, in both directions (RFC 9110 §6.5, RFC 9112 §7.1)."""

from tests.conformance.judge import (
    either,
    every,
    got_body,
    got_framing,
    got_lacks,
    got_no_trailer,
    got_trailers,
    refused,
    sent_body,
    sent_lacks,
    sent_no_trailer,
    sent_trailers,
    status,
)
from tests.conformance.steps import Case, Check, Level, Slowly, Verdict

_TRAILERS, _CONNECTION = "RFC 9110 §6.5.1", "RFC 9110 §7.6.1"


def _post(head: str, trailers: str) -> str:
    return f"POST / HTTP/1.1|Host: h|{head}Transfer-Encoding: chunked||3|abc|0|{trailers}||"


def _request(name: str, title: str, head: str, trailers: str, *expect: Check, level: Level = Level.MUST,
             reference: str = _TRAILERS) -> Case:  # fmt: skip
    return Case(
        f"request-trailer-{name}", title, reference, level, _post(head, trailers),
        (status(200), sent_body(b"abc"), *expect),
    )  # fmt: skip


def _response(name: str, title: str, head: str, trailers: str, *expect: Check, level: Level = Level.MUST,
              reference: str = _TRAILERS, te: bool = True) -> Case:  # fmt: skip
    asked = "TE: trailers|Connection: TE|" if te else ""
    return Case(
        f"response-trailer-{name}", title, reference, level, f"GET / HTTP/1.1|Host: h|{asked}|",
        (status(200), got_body(b"abc"), *expect),
        (f"HTTP/1.1 200 OK|{head}Transfer-Encoding: chunked||3|abc|0|{trailers}||",),
    )  # fmt: skip


_STANDARD = "Connection: X-T|Keep-Alive: timeout=5|Proxy-Connection: close|TE: gzip|Upgrade: h2c"
_FRAMING = ["Content-Length: 5", "Transfer-Encoding: chunked", "Host: evil", "Connection: close"]
_FORBIDDEN_UP = [
    "Authorization: Basic eDp5", "Cookie: a=b", "X-Forwarded-For: 6.6.6.6", "X_Forwarded_For: 6.6.6.6",
    "X-Forwarded-Host: evil", "Forwarded: for=6.6.6.6", "Content-Type: text/x-odd", "Expect: 100-continue",
    "Max-Forwards: 1", "Range: bytes=0-1", "Via: 1.1 forged", "Cache-Control: no-store", "Trailer: X-T",
    "Proxy-Authorization: Basic eDp5",
]  # fmt: skip
_FORBIDDEN_DOWN = [
    "Set-Cookie: a=b", "WWW-Authenticate: Basic", "Proxy-Authenticate: Basic", "Location: /evil",
    "Content-Encoding: gzip", "Cache-Control: public", "Age: 1", "Date: never", "Vary: *", "Via: 1.1 forged",
    "Retry-After: 9", "Trailer: X-T",
]  # fmt: skip


def _name(line: str) -> str:
    return line.partition(":")[0]


CASES = [
    # -- requests
    _request("nominated", "a nominated request trailer is dropped", "Connection: X-T|", "X-T: v|X-U: w",
             sent_no_trailer("X-T"), reference=_CONNECTION),
    _request("nominated-case", "whatever its spelling", "Connection: close, x-t|", "X-T: v", sent_no_trailer("X-T"),
             reference=_CONNECTION),
    _request("nominated-second-line", "also by a second Connection line", "Connection: |Connection: X-T|", "X-T: v",
             sent_no_trailer("X-T"), reference=_CONNECTION),
    _request("announced-nominated", "a nominated trailer is not announced", "Connection: X-T|Trailer: X-T|", "X-T: v",
             sent_no_trailer("X-T"), sent_lacks("Trailer"), level=Level.GOOD),
    _request("standard", "names of the standard set are dropped from the trailers", "", _STANDARD,
             sent_no_trailer("Keep-Alive", "Proxy-Connection", "TE", "Upgrade"), level=Level.SHOULD,
             reference=_CONNECTION),
    *(
        Case(f"request-trailer-forbidden-{_name(line).lower()}", f"a request trailer {_name(line)} is dropped, or refused",
             _TRAILERS, Level.MUST, (_post("", f"{line}|X-U: w"), Verdict()),
             (either(every(status(200), sent_body(b"abc"), _no_trailer_line(line)), refused()),))
        for _no_trailer_line in (lambda line: sent_no_trailer(_name(line)) if _name(line) != "Host" else sent_trailers_lack("host"),)
        for line in _FRAMING
    ),
    *(
        _request(f"forbidden-{_name(line).lower()}", f"a request trailer {_name(line)} is dropped", "", f"{line}|X-U: w",
                 trailers_lack_up(_name(line).lower()), level=Level.GOOD)
        for trailers_lack_up in (lambda name: sent_trailers_lack(name),)
        for line in _FORBIDDEN_UP
    ),
]
