"""A long differential fuzz: every head that the fast path takes, the h11 parser must read alike.

    python -m tests.fuzz.fast_path --count 10000000 --seed 1 --processes 2

Heads are put together from nearly right parts and bent in a few places. The same seed and count make the same heads,
whatever the number of processes. On a find the head is printed, and the exit status is 1: it becomes a row in
`tests/unit/http1/parsing/test_fast_path.py`.
"""

import argparse
import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.errors import ProtocolError
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.parsing.fast_path import parse_plain_request, parse_plain_response
from proxy.http1.parsing.h11_parser import parse_request, parse_response
from proxy.http1.parsing.strictness import check_bytes, check_lengths

_BATCH: Final = 20_000

_REQUEST_LINES: Final = [
    b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n", b"POST /a/b?c=d&e=%2F HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n",
    b"HEAD //a/../b? HTTP/1.1\r\n", b"DELETE /\\^{}|`\"<> HTTP/1.1\r\n", b"PUT /*'();:@&=+$,!~ HTTP/1.0\r\n",
    b"OPTIONS /x HTTP/1.1\r\n", b"ABCDEFGHIJKLMNOPQRST / HTTP/1.1\r\n",
]  # fmt: skip
_ODD_REQUEST_LINES: Final = [
    b"OPTIONS * HTTP/1.1\r\n", b"CONNECT h:443 HTTP/1.1\r\n", b"GET http://h/ HTTP/1.1\r\n", b"get / HTTP/1.1\r\n",
    b"GET / HTTP/1.2\r\n", b"GET / HTTP/2.0\r\n", b"GET /#f HTTP/1.1\r\n", b"GET / http/1.1\r\n", b"GET  / HTTP/1.1\r\n",
    b"GET /\r\n", b"\r\nGET / HTTP/1.1\r\n", b" GET / HTTP/1.1\r\n",
]  # fmt: skip
_STATUS_LINES: Final = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.0 404 Not Found\r\n", b"HTTP/1.1 599 ~ \r\n", b"HTTP/1.1 301 \r\n", b"HTTP/1.0 200 a  b: c\r\n",
]  # fmt: skip
_ODD_STATUS_LINES: Final = [
    b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 101 x\r\n", b"HTTP/1.1 200\r\n", b"HTTP/1.1 200  OK\r\n",
    b"HTTP/1.1 600 x\r\n", b"HTTP/2.0 200 OK\r\n", b"HTTP/1.1 200 \x80\r\n", b"HTTP/1.1 20 OK\r\n",
]  # fmt: skip
_HOST: Final = [
    b"Host: h\r\n",
    b"Host: h\r\n",
    b"host:h:80\r\n",
    b"HOST: \t[::1]:80 \r\n",
    b"Host: a b\r\n",
    b"Host:\r\n",
]
_FIELDS: Final = [
    b"A: 1\r\n", b"a:\r\n", b"B:  two words\t \r\n", b"X-Foo: a:b, c;d=\"e\"\r\n", b"!#$%&'*+-.^_`|~0: x\r\n",
    b"Connection: close\r\n", b"connection: X-Foo ,, keep-alive\r\n", b"Connection: \"X\", Y;z\r\n", b"C: \x80\xff\xa0\x85\r\n",
    b"Cookie: a=b; c=d\r\n", b"Set-Cookie: a\r\n", b"Accept: */*\r\n", b"Te: trailers\r\n", b"Via: 1.1 x\r\n",
    b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n", b"X-Forwarded-For: 1, 2\r\n", b"D: a\tb\r\n", b"E: \t\r\n",
]  # fmt: skip
_FRAMING: Final = [
    b"Content-Length: 5\r\n", b"content-length:0 \r\n", b"Content-Length: 123456789012345678\r\n",
    b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:\tchunked \r\n",
]  # fmt: skip
_ODD_FIELDS: Final = [
    b"Content-Length: 5, 5\r\n", b"Content-Length: +5\r\n", b"Content-Length:\r\n", b"Content-Length: 1234567890123456789\r\n",
    b"Content-Length : 5\r\n", b"Content-Length: 0x5\r\n", b"Content-Length: 5\x0b\r\n", b"Content-Length: 5\xa0\r\n",
    b"Transfer-Encoding: Chunked\r\n", b"Transfer-Encoding: chunked, chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding:\r\n", b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding : chunked\r\n", b"Host: other\r\n",
    b"A: 1\r\n 2\r\n", b"A: 1\nB: 2\r\n", b"A: 1\rB: 2\r\n", b"A: \x00\r\n", b"A: \x7f\r\n", b": 1\r\n", b"A\r\n", b"A b: 1\r\n",
]  # fmt: skip
_INTERESTING: Final = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b" ", b"\t", b"  ", b":", b": ", b",", b";", b"\x00", b"\x01",
    b"\x08", b"\x0b", b"\x0c", b"\x0e", b"\x1c", b"\x1d", b"\x1e", b"\x1f", b"\x7f", b"\x80", b"\x85", b"\xa0", b"\xad",
    b"\xff", b"0", b"1", b"5", b"9", b"+", b"-", b"_", b'"', b"\\", b"/", b"#", b"?", b"@", b"(", b"a", b"X", b"Z", b"chunked",
    b"HTTP/1.1", b"Host: h\r\n", b"Content-Length: 6\r\n", b"Transfer-Encoding: chunked\r\n",
]  # fmt: skip


class Result(NamedTuple):
    """What became of some heads: how many, how many were accepted, and the first find with what is wrong."""

    made: int
    accepted: int
    find: tuple[bytes, str] | None


def make_head(pick: Callable[[], float], *, response: bool) -> bytes:
    """A head that is nearly right. `pick` returns uniform numbers below 1."""

    def one_of(parts: list[bytes]) -> bytes:
        return parts[int(pick() * len(parts))]

    plain, odd = (_STATUS_LINES, _ODD_STATUS_LINES) if response else (_REQUEST_LINES, _ODD_REQUEST_LINES)
    raw = one_of(plain if pick() < 0.96 else odd)
    if not response and pick() < 0.97:
        raw += one_of(_HOST)
    for _ in range(int(pick() * 4)):
        raw += one_of(_FIELDS)
    kind = pick()
    if kind < 0.4:
        raw += one_of(_FRAMING)
    elif kind < 0.48:
        raw += one_of(_ODD_FIELDS)
    raw += b"\r\n"
    while pick() < 0.4:
        position = int(pick() * len(raw))
        kind = pick()
        if kind < 0.35:
            raw = raw[:position] + one_of(_INTERESTING) + raw[position:]
        elif kind < 0.7:
            raw = raw[:position] + one_of(_INTERESTING) + raw[position + 1 :]
        elif kind < 0.8:
            raw = b"%b%c%b" % (raw[:position], int(pick() * 256), raw[position + 1 :])
        elif kind < 0.9:
            raw = raw[:position] + raw[position + 1 + int(pick() * 3) :]
        else:
            raw = raw[:position] + raw[max(position - int(pick() * 30), 0) :]
    return raw


def disagreement(data: bytes, head: RequestHead | ResponseHead, end: int) -> str | None:
    """What the h11 parser or strictness has against a head that was accepted, and where it ends, if anything."""
    if data.find(b"\r\n\r\n") + 4 != end:
        return f"accepted up to {end}, where no head ends"
    raw_head = data[:end]
    try:
        if isinstance(head, RequestHead):
            check_bytes(raw_head)
            check_lengths(raw_head)
            with_h11: RequestHead | ResponseHead = parse_request(raw_head)
        else:
            check_bytes(raw_head)
            with_h11 = parse_response(raw_head)
    except ProtocolError as error:
        return f"refused with {error.status}: {error.detail}"
    return None if with_h11 == head else f"read as {with_h11}, accepted as {head}"


def run(seed: str, count: int) -> Result:
    """Make `count` heads and check those that are accepted, until the first find."""
    pick = random.Random(seed).random
    accepted = 0
    for made in range(1, count + 1):
        response = pick() < 0.4
        raw_head = make_head(pick, response=response)
        found = parse_plain_response(raw_head) if response else parse_plain_request(raw_head)
        if found is not None:
            accepted += 1
            if (wrong := disagreement(raw_head, *found)) is not None:
                return Result(made, accepted, (raw_head, wrong))
    return Result(count, accepted, None)


def _run_batch(batch: tuple[str, int]) -> Result:
    return run(*batch)


def main() -> int:
    """Run, print what was done, and say by the exit status whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fast_path", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="heads to make (default: a million)")
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time; it is printed")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed

    sizes = [min(_BATCH, options.count - start) for start in range(0, options.count, _BATCH)]
    batches = [(f"{seed}:{number}", size) for number, size in enumerate(sizes)]
    started = time.monotonic()
    count = accepted = 0
    find = None
    with multiprocessing.Pool(options.processes) as pool:
        for result in pool.imap_unordered(_run_batch, batches):
            count += result.made
            accepted += result.accepted
            if result.find is not None:
                find = result.find
                break
    elapsed_s = time.monotonic() - started
    print(
        f"seed {seed}: {count:,} heads, {accepted:,} accepted ({100 * accepted / max(count, 1):.1f} %), "
        f"{count / elapsed_s:,.0f} heads/s"
    )
    if find is None:
        print("no disagreement")
        return 0
    raw_head, wrong = find
    print(f"DISAGREEMENT\n{raw_head!r}\n{wrong}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
