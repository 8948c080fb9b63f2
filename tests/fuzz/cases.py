"""Hostile bytes, made by a seed alone: from clients and from upstreams, put together from nearly right parts and bent.

A case of one name is always the same.
"""

import itertools
import random
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_SMUGGLING: Final = [
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length: 10\r\n", b"Content-Length: 5, 5\r\n",
    b"Content-Length: 5, 6\r\n", b"Content-Length: +5\r\n", b"Content-Length: 0x5\r\n", b"Content-Length: 5 5\r\n",
    b"Content-Length : 5\r\n", b"Content-Length: 005\r\n", b"Content-Length:\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length:\x0b5\r\n", b" Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:\tCHUNKED \r\n", b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n", b"Transfer-Encoding: chunked\x85\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n", b"X: y\nTransfer-Encoding: chunked\r\n", b"X: y\rTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"Transfer_Encoding: chunked\r\n",
    b"Transfer-Encoding: \"chunked\"\r\n", b"Transfer-Encoding: chunked;q=1\r\n", b"Transfer-Encoding: ,chunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: X-A, Host, Content-Length\r\n",
    b"Connection: Transfer-Encoding\r\n", b"Connection: TE, Via, X-Forwarded-For\r\n", b"Proxy-Connection: close\r\n",
    b"Keep-Alive: timeout=5\r\n", b"TE: trailers\r\n", b"Trailer: X-T\r\n", b"Upgrade: websocket\r\n", b"Host: other\r\n",
    b"Expect: 100-continue\r\n", b"Expect: 200-ok\r\n", b"X-Forwarded-For: 1\r\n", b"X_Forwarded_For: 1\r\n", b"X-A: 1\r\n",
    b"Max-Forwards: 0\r\n", b"HTTP2-Settings: AA\r\n", b"Via: 1.1 onehop-test\r\n", b"Date: x\r\n",
]  # fmt: skip
_INSERTED: Final = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\t", b" ", b"\x00", b"\x0b", b"\x0c", b"\x85", b"\xa0", b"\x7f", b":", b",", b";",
    b"0", b"1", b"5", b"9", b"a", b"f", b"+", b"-", b"_", b'"', b"\\", b"/", b"#", b"?", b"@", b"%", b"\xff", b"0\r\n\r\n",
    b"\r\n ", b"HTTP/1.1", b"chunked",
]  # fmt: skip
_CHUNKED_BODIES: Final = [
    b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"05;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n",
    b"A\r\n0123456789\r\n0\r\nX-T: 1\r\nX-A: 2\r\n\r\n", b"5 \r\nhello\r\n000\r\nContent-Length: 3\r\nHost: t\r\n\r\n",
    b"5 ;a\r\nhello\r\n0\t; b = c \r\n\r\n",
    b"2e\r\nGET /hidden HTTP/1.1\r\nHost: h\r\nX-Body: yes\r\n\r\n\r\n0\r\n\r\n",
]  # fmt: skip


class Case(NamedTuple):
    """Some bytes, how they are cut into segments, and what follows them."""

    name: str  # the seed that makes it
    client_side: bool
    data: bytes
    cuts: tuple[int, ...]
    ending: str  # `half-close`, `close`, `reset` or `wait`
    request: bytes = b""  # upstream's side only: what the client asks

    def __str__(self) -> str:
        asked = f"\nasked:  {self.request!r}" if self.request else ""
        return f"case:   {self.name}{asked}\nbytes:  {self.data!r}\ncuts:   {self.cuts}\nending: {self.ending}"

    def pieces(self) -> list[bytes]:
        """The segments."""
        edges = [0, *self.cuts, len(self.data)]
        return [self.data[a:b] for a, b in itertools.pairwise(edges) if a < b]


def client_case(name: str) -> Case:
    """The client-side case of that name."""
    rng = random.Random(name)
    data = b"".join(_request(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
    data = _mutated(rng, data)
    return Case(name, True, data, _cuts(rng, data), "wait" if rng.random() < 0.01 else "half-close")


def upstream_case(name: str) -> Case:
    """The upstream-side case of that name."""
    rng = random.Random(name)
    method = rng.choice((b"GET", b"GET", b"GET", b"GET", b"HEAD", b"POST"))
    version = rng.choice((b"1.1", b"1.1", b"1.1", b"1.0"))
    extra = rng.choice(
        (b"", b"", b"TE: trailers\r\nConnection: TE\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    )
    request = b"%b /case HTTP/%b\r\nHost: h\r\n%b\r\n" % (method, version, extra)
    data = b"".join(_interim(rng) for _ in range(rng.choice((0, 0, 0, 1, 2))))
    data += _response(rng)
    if rng.random() < 0.1:
        data += _response(rng)
    data = _mutated(rng, data)
    ending = rng.choices(("close", "half-close", "reset", "wait"), (80, 5, 5, 10))[0]
    return Case(name, False, data, _cuts(rng, data), ending, request)


def _lines(rng: random.Random) -> bytes:
    return b"".join(rng.choice(_SMUGGLING) for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2))))


def _body(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.45:
        body = rng.choice((b"", b"hello", b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\n\r\n"))
        return b"Content-Length: %d\r\n%b\r\n%b" % (len(body), _lines(rng), body)
    return b"Transfer-Encoding: chunked\r\n%b\r\n%b" % (_lines(rng), rng.choice(_CHUNKED_BODIES))


def _request(rng: random.Random) -> bytes:
    target = rng.choice((b"/", b"/a?b=c", b"/x/../y//z", b"*", b"http://other:80/p?q", b"http://other", b"/%00\\|"))
    version = b"1.0" if rng.random() < 0.1 else b"1.1"
    method = rng.choice((b"GET", b"POST", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"X-ODD"))
    start = b"%b %b HTTP/%b\r\nHost: h\r\n%b" % (method, target, version, _lines(rng))
    kind = rng.random()
    if kind < 0.3:
        return start + b"\r\n"
    if kind < 0.35:
        return start + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    return start + _body(rng)


def _interim(rng: random.Random) -> bytes:
    return rng.choice((
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-B\r\nX-B: 1\r\n\r\n",
        b"HTTP/1.1 199 \r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\nTransfer-Encoding: chunked\r\n\r\n",
    ))  # fmt: skip


def _response(rng: random.Random) -> bytes:
    start = rng.choice(
        (b"200 OK", b"200 OK", b"200 OK", b"404 Not Found", b"204 No Content", b"304 Not Modified", b"500 ")
    )
    start = b"HTTP/%b %b\r\n%b" % (b"1.0" if rng.random() < 0.15 else b"1.1", start, _lines(rng))
    kind = rng.random()
    if kind < 0.08:
        return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nopaque"
    if kind < 0.2:
        return start + b"\r\nuntil close"
    if kind < 0.3:
        return start + b"\r\n"
    return start + _body(rng)


def _mutated(rng: random.Random, data: bytes) -> bytes:
    while rng.random() < 0.45:
        at = rng.randrange(len(data) + 1)
        kind = rng.random()
        if kind < 0.3:
            data = data[:at] + rng.choice(_INSERTED) + data[at:]
        elif kind < 0.4:
            data = data[:at] + rng.choice(_INSERTED) + data[at + 1 :]
        elif kind < 0.5:
            data = data[:at] + data[at + rng.choice((1, 1, 1, 2, 5)) :]
        elif kind < 0.55:
            data = data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]
        elif kind < 0.6:
            data = data[:at]
        elif kind < 0.65:
            data = data[:at] + data[at : at + 9].swapcase() + data[at + 9 :]
        elif kind < 0.75:  # a digit, where there is one: lengths and chunk sizes
            digits = [found.start() for found in re.finditer(rb"[0-9]", data)]
            if digits:
                at = rng.choice(digits)
                data = data[:at] + rng.choice((b"0", b"1", b"4", b"6", b"9", b"a", b"00", b"", b"5 ")) + data[at + 1 :]
        else:  # a whole line: repeated, moved, dropped, or put in from the list
            lines = data.split(b"\r\n")
            at = rng.randrange(len(lines))
            if kind < 0.8:
                lines.insert(at, lines[at])
            elif kind < 0.85:
                lines.insert(rng.randrange(len(lines)), lines.pop(at))
            elif kind < 0.88:
                del lines[at]
            else:
                lines.insert(max(at, 1), rng.choice(_SMUGGLING).removesuffix(b"\r\n"))
            data = b"\r\n".join(lines)
    return data


def _cuts(rng: random.Random, data: bytes) -> tuple[int, ...]:
    kind = rng.random()
    if kind < 0.6 or len(data) < 2:
        return ()
    if kind < 0.65:
        return tuple(range(1, len(data)))
    return tuple(sorted(rng.sample(range(1, len(data)), min(rng.randint(1, 4), len(data) - 1))))


def named_cases(seed: int, first: int, count: int) -> Iterator[Case]:
    """The cases of a seed from number `first` on: two from clients, one from an upstream, and so on."""
    for number in range(first, first + count):
        client_side = number % 3 < 2
        yield client_case(f"{seed}:client:{number}") if client_side else upstream_case(f"{seed}:upstream:{number}")
