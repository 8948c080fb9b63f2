"""TLS whose bytes were changed on the way, in the handshake and after it, from clients and from services: an end, never
a defect, and nothing is left behind.

Each round is made from its number alone, so that one that fails can be run again: `TLS_FUZZ_FIRST`, `TLS_FUZZ_ROUNDS`.
"""

import asyncio
import contextlib
import os
import random
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.harness.listeners import tls_proxy
from tests.harness.running_proxy import RunningProxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client
from tests.harness.tls import Authority, authority, in_front_of
from tests.harness.waiting import until

__all__ = ["authority"]

FIRST = int(os.environ.get("TLS_FUZZ_FIRST", "0"))
ROUNDS = int(os.environ.get("TLS_FUZZ_ROUNDS", "25"))
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def changed(data: bytes, chance: random.Random) -> bytes:
    """The same bytes with something wrong."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 4))):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed[place:place] = chance.randbytes(chance.choice((1, 5, 300)))
            case 2:
                del changed[place : place + chance.choice((1, 5, 300))]
            case 3:
                changed[place:place] = changed[: chance.randrange(200)]  # a record again
            case 4 if len(changed) > 5:
                changed[3:5] = chance.randbytes(2)  # another length of the first record
            case _:
                # Records that anybody can make: alerts, an early end, application data, a heartbeat, SSL 2.
                changed[place:place] = chance.choice((
                    b"\x15\x03\x03\x00\x02\x01\x00", b"\x15\x03\x03\x00\x02\x02\x28", b"\x15\x03\x03\x00\x02\x01\x64" * 9,
                    b"\x14\x03\x03\x00\x01\x01" * 40, b"\x17\x03\x03\x00\x00" * 50, b"\x17\x03\x03\x40\x01" + b"x" * 16_385,
                    b"\x18\x03\x03\x00\x03\x01\xff\xff", b"\x80\x2e\x01\x00\x02", b"\x16\x03\x03\x00\x00" * 40,
                ))  # fmt: skip
    return bytes(changed)


async def speak(peer: Peer, context: ssl.SSLContext, chance: random.Random, *, as_service: bool) -> None:
    """Shake hands and talk; from some flight on, what is sent is changed. Then end in one of the ways that there are."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, as_service, None if as_service else "a.example")
    good_flights = chance.randrange(4)
    said = OK if as_service else GET
    steps: list[Callable[[], object]] = [tls.do_handshake]
    steps += [lambda: tls.read(65_536), lambda: tls.write(said)] if as_service else [lambda: tls.write(said)]
    steps += [lambda: tls.read(65_536), tls.unwrap]
    while steps:
        try:
            steps[0]()
            del steps[0]
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLError, ValueError):
            steps.clear()
        if data := outgoing.read():
            good_flights -= 1
            await peer.send(data if good_flights >= 0 else changed(data, chance))
        elif steps:
            async with asyncio.timeout(0.1):  # it may wait for the rest of a record that was cut
                data = await peer.some()
            if not data:
                break
            incoming.write(data)
    match chance.randrange(3):
        case 0:
            peer.reset()
        case 1:
            peer.half_close()
        case _:
            pass


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[list[object]]:
    """What the loop's callbacks raise."""
    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    yield raised
    assert not raised


def contexts(made: Callable[[], ssl.SSLContext]) -> list[ssl.SSLContext]:
    """One for each version."""
    found = []
    for version in VERSIONS:
        found.append(made())
        found[-1].minimum_version = found[-1].maximum_version = version
    return found


async def test_clients(authority: Authority, capfd: pytest.CaptureFixture[str]) -> None:
    both = contexts(authority.client)
    upstream = ScriptedUpstream(answering(*[OK] * 1000))
    timeouts = {"handshake_s": 0.5, "request_head_s": 0.5}
    async with watched(), upstream.serving(), tls_proxy(authority, upstream.port, timeouts=timeouts) as proxy:
        for number in range(FIRST, FIRST + ROUNDS):
            chance = random.Random(number)
            async with client(proxy.port) as peer:
                with contextlib.suppress(OSError):
                    await speak(peer, chance.choice(both), chance, as_service=False)
            assert "Traceback" not in capfd.readouterr().err, number
        await all_gone(proxy)


async def test_services(authority: Authority, capfd: pytest.CaptureFixture[str]) -> None:
    both = contexts(authority.server)
    numbers = iter(range(FIRST, FIRST + ROUNDS))

    async def script(peer: Peer) -> None:
        chance = random.Random(next(numbers, 0))
        with contextlib.suppress(OSError):
            await speak(peer, chance.choice(both), chance, as_service=True)

    upstream = ScriptedUpstream(script)
    settings: dict[str, Any] = {"ca": authority.pem}
    async with watched(), upstream.serving(), in_front_of(upstream, **settings) as proxy:
        while upstream.connections < ROUNDS:
            async with client(proxy.port) as peer:
                await peer.send(GET)
                head, _ = await peer.response()
                assert head.split()[1] in (b"200", b"502", b"503", b"504"), upstream.connections
            assert "Traceback" not in capfd.readouterr().err, upstream.connections
        await all_gone(proxy)


async def all_gone(proxy: RunningProxy) -> None:
    """Every client's connection ends by itself."""
    await until(lambda: not proxy.worker.clients)
