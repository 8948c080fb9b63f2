"""The endpoints of the service, except the page. Each is a function of one exchange."""

import asyncio
import hashlib
import re
from typing import Final

from proxy.demo.exchange import Exchange, FieldLine, Refusal

#: /hop: everything that must not get past one hop, and one field that must.
HOP_FIELDS: Final[list[FieldLine]] = [
    (b"Connection", b"close, X-Internal, Set-Cookie"),
    (b"X-Internal", b"1"),
    (b"Set-Cookie", b"leak=1"),
    (b"Keep-Alive", b"timeout=5"),
    (b"Proxy-Authenticate", b"Basic"),
    (b"Proxy-Connection", b"keep-alive"),
    (b"Trailer", b"X-T"),
    (b"Upgrade", b"h2c"),
    (b"TE", b"trailers"),
    (b"X-Kept", b"yes"),
]
#: The same without `close`, for a client that keeps its connection: with `?keep`.
HOP_FIELDS_KEPT_OPEN: Final[list[FieldLine]] = [(b"Connection", b"X-Internal, Set-Cookie"), *HOP_FIELDS[1:]]

NO_STORE: Final = (b"Cache-Control", b"no-store")

_BLOCK: Final = bytes(range(256)) * 1024
_LARGEST: Final = 10 * 1024**3
_LONGEST_S: Final = 3_600.0  # of a stream of lines or events
_ECHOED_BYTES: Final = 4_096
_PLAIN: Final = b"text/plain; charset=utf-8"


async def echo(exchange: Exchange) -> None:
    """Return the request as JSON: names and order as received (h11 strips the blanks around a value)."""
    digest, size, beginning = hashlib.sha256(), 0, bytearray()
    async for piece in exchange.body():
        digest.update(piece)
        size += len(piece)
        beginning += piece[: _ECHOED_BYTES + 1 - len(beginning)]
    await exchange.answer_json(
        200,
        {
            "method": exchange.method,
            "target": exchange.target,
            "http_version": exchange.request.http_version.decode("ascii"),
            "fields": _as_text(exchange.request.headers.raw_items()),
            "body_bytes": size,
            "body_sha256": digest.hexdigest(),
            "body": _short_text(bytes(beginning)),
            "trailers": _as_text(exchange.trailers),
            "client_port": exchange.wire.peer_port,
            "requests_on_connection": exchange.ordinal,
        },
    )


async def hop(exchange: Exchange) -> None:
    """Answer with fields that belong to this hop."""
    fields = HOP_FIELDS_KEPT_OPEN if "keep" in exchange.query else HOP_FIELDS
    await exchange.answer(200, b"text/plain", b"Look at the head: only X-Kept was meant for you.\n", fields)


async def stream(exchange: Exchange) -> None:
    """Send n lines, one each ms."""
    count = _asked_integer(exchange, "n", 10, 1_000_000)
    pause_s = _asked_integer(exchange, "ms", 100, 60_000) / 1000
    if count * pause_s > _LONGEST_S:
        raise Refusal(400, f"n times ms is more than {_LONGEST_S:g} s")
    await exchange.start(200, [(b"Content-Type", _PLAIN), NO_STORE])
    for number in range(1, count + 1 if exchange.sends_body else 1):
        if number > 1:
            await asyncio.sleep(pause_s)
        await exchange.send(b"line %d of %d\n" % (number, count))
    await exchange.finish()


async def events(exchange: Exchange) -> None:
    """Send server-sent events until the client leaves, or n of them."""
    pause_s = max(1, _asked_integer(exchange, "ms", 500, 60_000)) / 1000
    longest = int(_LONGEST_S / pause_s)
    count = min(_asked_integer(exchange, "n", longest, 1_000_000_000), longest)
    await exchange.start(200, [(b"Content-Type", b"text/event-stream"), NO_STORE])
    for number in range(1, count + 1 if exchange.sends_body else 1):
        if number > 1:
            await asyncio.sleep(pause_s)
        await exchange.send(b"id: %d\ndata: tick %d\n\n" % (number, number))
    await exchange.finish()


async def early_hints(exchange: Exchange) -> None:
    """Send 103 before the answer, with a field that its own Connection nominates."""
    await exchange.interim(
        103,
        [
            (b"Link", b"</assets/demo.css>; rel=preload; as=style"),
            (b"Connection", b"X-Internal"),
            (b"X-Internal", b"1"),
        ],
    )
    await exchange.answer(200, _PLAIN, b"A 103 came before this.\n")


async def trailers(exchange: Exchange) -> None:
    """Send trailers, one of which the head's Connection nominates."""
    body = b"Trailers follow.\n"
    announced = (b"Trailer", b"X-Checksum")
    await exchange.start(200, [(b"Content-Type", _PLAIN), announced, (b"Connection", b"X-Internal")])
    await exchange.send(body)
    checksum = b"sha256=" + hashlib.sha256(body).hexdigest().encode()
    await exchange.finish([(b"X-Checksum", checksum), (b"X-Internal", b"1")])


async def upload(exchange: Exchange) -> None:
    """Take a body of any size, and return its size and hash."""
    if exchange.method not in {"POST", "PUT"}:
        raise Refusal(405, "POST or PUT something here", [(b"Allow", b"POST, PUT")])
    digest, size = hashlib.sha256(), 0
    async for piece in exchange.body():
        digest.update(piece)
        size += len(piece)
    await exchange.answer_json(200, {"bytes": size, "sha256": digest.hexdigest()})


async def some_bytes(exchange: Exchange, amount: str) -> None:
    """Send that many bytes; the one at offset k is k modulo 256."""
    left = _integer(amount, _LARGEST)
    length = (b"Content-Length", b"%d" % left)
    await exchange.start(200, [(b"Content-Type", b"application/octet-stream"), length, NO_STORE])
    while left and exchange.sends_body:
        await exchange.send(_BLOCK if left >= len(_BLOCK) else _BLOCK[:left])
        left -= min(left, len(_BLOCK))
    await exchange.finish()


async def slow(exchange: Exchange, seconds: str) -> None:
    """Answer after that many seconds."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", seconds) or float(seconds) > 300:
        raise Refusal(400, "from 0 to 300 seconds, please")
    await asyncio.sleep(float(seconds))
    await exchange.answer(200, _PLAIN, f"This took {seconds} s.\n".encode())


async def status(exchange: Exchange, code: str) -> None:
    """Answer with that status."""
    if not re.fullmatch(r"[2-5][0-9]{2}", code):
        raise Refusal(400, "a status from 200 to 599, please")
    await exchange.answer(int(code), _PLAIN, f"{code}\n".encode())


def _asked_integer(exchange: Exchange, name: str, default: int, most: int) -> int:
    return _integer(exchange.query[name], most) if name in exchange.query else default


def _integer(digits: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", digits) or int(digits) > most:
        raise Refusal(400, f"a number from 0 to {most}, please")
    return int(digits)


def _as_text(fields: list[FieldLine]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]


def _short_text(beginning: bytes) -> str | None:
    if len(beginning) > _ECHOED_BYTES:
        return None
    try:
        return beginning.decode()
    except UnicodeDecodeError:
        return None
