"""CPU that hostile bytes within the limits cost, in normal small requests of the same proxy, and beside nginx."""

import asyncio
import math
import statistics
import time
from functools import partial
from typing import Final

from benchmarks.load.processes import clock
from benchmarks.stress.fleet import Wanted, running
from benchmarks.stress.row import Figure, Row, Setting

_PATIENCE_S: Final = 10.0
_ROUNDS: Final = 3  # normal requests and hostile ones in turn, since the machine is not equally fast all the time
_ROUND_S: Final = 0.4
_RESTING_US: Final = 6_000  # in 0.3 s: timers

_START: Final = b"GET /small HTTP/1.1\r\nHost: bench.example\r\n"
NORMAL: Final = _START + (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: */*\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=s1; theme=dark\r\n\r\n"
)
_CHUNKED: Final = b"POST /small HTTP/1.1\r\nHost: bench.example\r\nTransfer-Encoding: chunked\r\n\r\n"


def _listed(name: bytes, member: bytes, size: int, start: bytes = _START) -> bytes:
    return start + name + b": " + b",".join([member] * (size // (len(member) + 1))) + b"\r\n\r\n"


def _asking(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: bench.example\r\n\r\n"


def _chunks(*sizes: int, text: bytes = b"a") -> bytes:
    """A body of 10,000 chunks, whose sizes come in turn."""
    turn = b"".join(b"%x\r\n%b\r\n" % (size, (text * size)[:size]) for size in sizes)
    return _CHUNKED + turn * (10_000 // len(sizes)) + b"0\r\n\r\n"


KINDS: Final[dict[str, bytes]] = {
    "26 KB of `a: ` fields": _START + b"a: \r\n" * 5_200 + b"\r\n",
    "120 fields": _START + b"".join(b"X-Field-%d: value\r\n" % number for number in range(120)) + b"\r\n",
    "16 KB of trailers": _CHUNKED + b"1\r\na\r\n0\r\n" + b"a: b\r\n" * 2_600 + b"\r\n",
    "27 KB of Accept on an error": _listed(b"Accept", b"a/b", 27_000, b"GET http://%/ HTTP/1.1\r\nHost: h\r\n"),
    "27 KB of TE": _listed(b"TE", b"a", 27_000),
    "27 KB of Via": _listed(b"Via", b"1.1 a", 27_000),
    "27 KB of Upgrade": _listed(b"Connection: Upgrade\r\nUpgrade", b"a", 27_000),
    "27 KB of Trailer": _listed(b"Trailer", b"a", 27_000, _CHUNKED.removesuffix(b"\r\n")) + b"0\r\n\r\n",
    "27 KB of X-Forwarded-For": _listed(b"X-Forwarded-For", b"1.1.1.1", 27_000),
    "250 nominations": _listed(b"Connection", b"x-a", 1_000),
    "10,000 one-byte chunks": _chunks(1),
    "10,000 chunks of 1 and 2 bytes": _chunks(1, 2),
    "10,000 chunks of 1 to 40 bytes": _chunks(*range(1, 41)),
    "10,000 chunks of 65 to 104 bytes": _chunks(*range(65, 105)),
    "10,000 chunks, each a line end": _chunks(2, text=b"\r\n"),
    "27 KB of Connection, commas alone": _listed(b"Connection", b"", 27_000),
    "a Host of 27 KB": b"GET /small HTTP/1.1\r\nHost: " + b"h" * 27_000 + b"\r\n\r\n",
    "a Host of 13,000 labels": b"GET /small HTTP/1.1\r\nHost: " + b"a." * 13_000 + b"a\r\n\r\n",
    "8 KB of `%41` in a path": _asking(b"/" + b"%41" * 2_600),
    "8 KB of `/..` in a path": _asking(b"/.." * 2_600 + b"/small"),
    "27 KB of IPv6 in X-Forwarded-For": _listed(b"X-Forwarded-For", b"2001:db8::ffff:1", 27_000),
    "a near miss: 27 KB that end in a control byte": _START + b"X-Field: value\r\n" * 1_700 + b"X: \x01\r\n\r\n",
    "100 lines for the slower of two parsers": _START + b"X-Field: value \r\n" * 100 + b"\r\n",
    "27 KB of one value, for the slower parser": _START + b"X-Field: " + b"v" * 27_000 + b" \r\n\r\n",
    "100 interim responses": NORMAL.replace(b"/small", b"/interims/100"),
}


async def _cost_us(port: int, pid: int, request: bytes, seconds: float) -> tuple[float, int]:
    """CPU microseconds per request, and the status; a refused request takes its connection along."""
    loop = asyncio.get_running_loop()
    count, status = 0, 0
    before = clock(pid)
    ends_at = loop.time() + seconds
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    while loop.time() < ends_at:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                writer.write(request)
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    status = int(head[9:12])
                    if status >= 200:
                        break
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or b"0"))
                closes = b"connection: close" in head.lower()
        except TimeoutError:  # it waits for more of the request, or has given up without a word
            status, closes = 0, True
        except (OSError, asyncio.IncompleteReadError):
            closes = True
        count += 1
        if closes:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.close()
    return clock(pid).since(before).cpu_us / max(count, 1), status


#: A peer that is believed, and routes that are looked for by host and path.
_OPTIONS: Final = [
    word
    for value in (
        "trusted_networks=127.0.0.0/8", "routes.all.upstream=default", "routes.api.upstream=default",
        "routes.api.path=/api", "routes.one.upstream=default", "routes.one.host=*.one.example",
        "routes.two.upstream=default", "routes.two.host=*.a.two.example",
    )
    for word in ("--set", value)
]  # fmt: skip


def settle(pid: int) -> None:
    """Wait until a proxy rests: what its control process costs while it starts would make a normal request look dear."""
    for _ in range(40):
        before = clock(pid)
        time.sleep(0.3)
        if clock(pid).since(before).cpu_us < _RESTING_US:
            return


def _ratio(kind: str, setting: Setting) -> Figure:
    seconds = _ROUND_S / 2 if setting.quick else _ROUND_S
    ratios, costs, status = [], [], 0
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams, onehop_options=_OPTIONS)) as server:
        settle(server.pid)
        asyncio.run(_cost_us(server.port, server.pid, NORMAL, 0.3))
        for _ in range(_ROUNDS):
            normal, _ = asyncio.run(_cost_us(server.port, server.pid, NORMAL, seconds))
            cost, status = asyncio.run(_cost_us(server.port, server.pid, KINDS[kind], seconds))
            if not status:
                return Figure(math.inf, f"no answer within {_PATIENCE_S:g} s")
            ratios.append(cost / normal)
            costs.append(cost)
    ratio, cost = statistics.median(ratios), statistics.median(costs)
    return Figure(ratio, f"{ratio:.1f} normal ones ({cost:.0f} µs, status {status})", cost)


_WHAT: Final = "per request, in normal small GETs; 10 of them, or 3 × nginx for the same bytes, are no attack"
ROWS: Final = [
    Row(f"CPU: {kind}", _WHAT, partial(_ratio, kind), enough=10.0, times_nginx=3.0) for kind in KINDS
]  # fmt: skip
