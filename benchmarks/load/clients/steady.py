"""A fixed rate, whatever the proxy does: requests are due at even intervals, and latency counts from when one was due.

So a proxy that stalls is not asked less (no coordinated omission). Not asyncio: its timers are coarser than the gap
between two requests. `select` on the epoll descriptor waits in microseconds, which `epoll.poll` does not.
"""

import gc
import select
import socket
import time
from collections import deque
from typing import Final

from benchmarks.load.clients.script import Cue
from benchmarks.load.clients.wire import get, length_of
from benchmarks.load.samples import Load

_CONNECTIONS: Final = 64
_WARM_UP_S: Final = 0.3
_PATIENCE_S: Final = 1.0  # past the end: a proxy that is this far behind does not hold the rate
_WARM_UP_PATIENCE_S: Final = 20.0  # what is left over would be counted as the load's


def steady(port: int, cue: Cue, rate: float) -> Load:
    """Send at the rate; warm up first."""
    gc.disable()  # its pauses would be the proxy's
    clients: dict[int, socket.socket] = {}
    poll = select.epoll()
    for _ in range(_CONNECTIONS):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients[client.fileno()] = client
        poll.register(client, select.EPOLLIN)
    _send_and_receive(clients, poll, rate, _WARM_UP_S, 0, _WARM_UP_PATIENCE_S)
    cue.say_ready()
    begun = time.perf_counter()
    latencies, bad, due = _send_and_receive(clients, poll, rate, cue.seconds, int(rate), _PATIENCE_S)
    duration = time.perf_counter() - begun
    _KEPT.extend(clients.values())
    if not latencies:
        return Load(0, duration, bad + 1)
    latencies.sort()
    answered = len(latencies)
    # What was due and not answered in time counts as the worst that was seen.
    p50, p99 = (latencies[min(answered - 1, int(due * share))] for share in (0.5, 0.99))
    return Load(answered, duration, bad, p50_s=p50, p99_s=p99, offered_per_s=rate)


_KEPT: Final[list[socket.socket]] = []  # open until the proxy's clock was read


def _send_and_receive(
    clients: dict[int, socket.socket], poll: select.epoll, rate: float, seconds: float, first: int, patience_s: float
) -> tuple[list[float], int, int]:
    """Latencies of right answers, the number of wrong ones, and how many requests were due."""
    clock = time.perf_counter
    begun = clock()
    gives_up_at = begun + seconds + patience_s
    total = int(seconds * rate)
    free = deque(clients)
    due_at: dict[int, float] = {}
    unread: dict[int, bytes] = {}
    latencies: list[float] = []
    bad = sent = 0
    while len(latencies) + bad < total:
        now = clock()
        if now > gives_up_at:
            break
        while sent < total and free and (due := begun + sent / rate) <= now:
            number = free.popleft()
            due_at[number] = due
            sent += 1
            clients[number].send(get(b"/small", first + sent))
        # With no connection free, an answer comes next; else whichever is first, it or the next request.
        wait = gives_up_at - now if sent == total or not free else begun + sent / rate - clock()
        if wait > 0:
            select.select([poll], [], [], wait)
        for number, _ in poll.poll(0):
            data = unread.pop(number, b"") + clients[number].recv(65_536)
            outcome = _is_right(data)
            if outcome is None:
                unread[number] = data
                continue
            if outcome:
                latencies.append(clock() - due_at[number])
                free.append(number)
            else:
                bad += 1
                poll.unregister(number)
    return latencies, bad, total


def _is_right(data: bytes) -> bool | None:
    """Whether this is the answer; None: there is more to come."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return None if data else False
    length = length_of(head + b"\r\n")
    if len(body) < 128 and length == 128:
        return None
    return head[9:12] == b"200" and length == 128 and len(body) == 128
