"""A checked load at a fixed rate, in a thread of its own: a proxy that stalls is not asked less.

Each request is due at its time, whatever became of those before it. An answer's status and body length count.
"""

import asyncio
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from benchmarks.stress.origin import SMALL

PATIENCE_S: Final = 2.0  # per request; a client that waits longer has given up
RATE: Final = 300.0  # requests per second: little for each of the proxies
_NUMBERS: Final = itertools.count()


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _Wrong(Exception):
    """An answer that is none."""


class Load:
    """What became of the requests. `method` POST has a body; `keep_alive` uses connections again."""

    def __init__(
        self, port: int, *, method: str, keep_alive: bool, rate: float, chance: random.Random | None = None
    ) -> None:
        """With `chance`, requests come at random times, as those of many clients do; `rate` is their mean."""
        self.answered = 0
        self.failed: Counter[str] = Counter()
        self.twice = 0  # requests that arrived at a service more than once
        self.failed_at: list[float] = []  # when each failed request was made: monotonic time
        self.latencies_s: list[float] = []
        self.longest_gap_s = 0.0  # without an answer to anybody
        self._port = port
        self._method = method
        self._keep_alive = keep_alive
        self._rate = rate
        self._chance = chance
        self._idle: list[_Connection] = []
        self._last_answer = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    @property
    def failures(self) -> int:
        """How many requests failed, in whatever way."""
        return sum(self.failed.values())

    @property
    def p99_s(self) -> float:
        """The latency that one answer in a hundred exceeded, in seconds."""
        ordered = sorted(self.latencies_s)
        return ordered[int(len(ordered) * 0.99)] if ordered else float("inf")

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.failed.most_common(3))
        return f"{self.failures} of {self.failures + self.answered} failed" + (f" ({kinds})" if kinds else "")

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; what is under way still counts."""
        self._ended.set()
        self._thread.join()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        asking: set[asyncio.Task[None]] = set()
        due = self._last_answer = loop.time()
        while not self._ended.is_set():
            task = loop.create_task(self._ask())
            asking.add(task)
            task.add_done_callback(asking.discard)
            due += 1 / self._rate if self._chance is None else self._chance.expovariate(self._rate)
            await asyncio.sleep(due - loop.time())
        await asyncio.gather(*asking)
        for connection in self._idle:
            connection.writer.close()

    async def _ask(self) -> None:
        begun = time.monotonic()
        connection = self._idle.pop() if self._keep_alive and self._idle else None
        reused = connection is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                if connection is None:
                    connection = _Connection(*await asyncio.open_connection("127.0.0.1", self._port))
                arrived, stays_open = await self._exchange(connection)
        except TimeoutError:
            self._fail("timed out", connection, begun)
        except asyncio.IncompleteReadError as exc:
            if reused and connection is not None and not exc.partial and self._method == "GET":
                connection.writer.close()
                await self._ask()  # the proxy closed an idle connection: any client asks again
            else:
                self._fail("cut", connection, begun)
        except (OSError, _Wrong) as exc:
            self._fail(str(exc) if isinstance(exc, _Wrong) else type(exc).__name__, connection, begun)
        else:
            now = asyncio.get_running_loop().time()
            self.answered += 1
            self.twice += arrived > 1
            self.latencies_s.append(time.monotonic() - begun)
            self.longest_gap_s = max(self.longest_gap_s, now - self._last_answer)
            self._last_answer = now
            if stays_open and self._keep_alive:
                self._idle.append(connection)
            else:
                connection.writer.close()

    def _fail(self, kind: str, connection: _Connection | None, begun: float) -> None:
        self.failed[kind] += 1
        self.failed_at.append(begun)
        if connection is not None:
            connection.writer.close()

    async def _exchange(self, connection: _Connection) -> tuple[int, bool]:
        """How often the request has arrived at a service, and whether the connection stays open."""
        closing = "" if self._keep_alive else "Connection: close\r\n"
        body = "Content-Length: 64\r\n\r\n" + "y" * 64 if self._method == "POST" else "\r\n"
        number = next(_NUMBERS)
        head = f"{self._method} /small HTTP/1.1\r\nHost: bench.example\r\nX-Number: {number}\r\n{closing}{body}"
        connection.writer.write(head.encode())
        answer = (await connection.reader.readuntil(b"\r\n\r\n")).lower()
        status, length = int(answer[9:12]), int(_value(answer, b"content-length") or b"0")
        got = len(await connection.reader.readexactly(length))
        if status != 200:
            raise _Wrong(f"status {status}")
        if got != len(SMALL):
            raise _Wrong("wrong length")
        return int(_value(answer, b"x-arrived") or b"1"), b"connection: close" not in answer


def _value(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()


@contextmanager
def loaded(
    port: int,
    *,
    method: str = "GET",
    keep_alive: bool = False,
    rate: float = RATE,
    chance: random.Random | None = None,
) -> Iterator[Load]:
    """Requests that go on until the block ends."""
    load = Load(port, method=method, keep_alive=keep_alive, rate=rate, chance=chance)
    load.start()
    try:
        yield load
    finally:
        load.stop()
