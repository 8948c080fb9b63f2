"""A simulated service: does anything that a service may do, and what it may not."""

from collections.abc import Generator
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from tests.simulation.kernel import Endpoint, ListeningSocket, Network
from tests.simulation.messages import Arriving, Broken, Reader, field_value, pattern
from tests.simulation.peers import Peer, Script, Wait, write

_ACTS: Final = ("cut", "cut by reset", "silent", "reset", "close", "early close", "early close", "surplus", "stall")
SURPLUS_BODY: Final = b"evil"
#: Whether the connection goes on, and how many bytes have been sent on it.
_Next: TypeAlias = Generator[Wait, None, tuple[bool, int]]


@dataclass
class Answer:
    """What a service said to one request."""

    number: int
    endpoint: Endpoint  # the service's
    proxy_end: Endpoint
    request: Arriving
    status: int
    size: int
    framing: str  # "length", "chunked", "until close"
    head: bytes
    begins_at: int  # the offset of its head among all that was sent on this connection
    intended: str
    whole: bool = False  # everything was written
    closed: bool = False  # and, where only that delimits it, the end was written, too

    @property
    def head_delivered(self) -> bool:
        """Whether its head has reached the proxy's kernel."""
        return self.proxy_end.delivered >= self.begins_at + len(self.head)

    @property
    def body_delivered(self) -> int:
        """How many of the bytes behind its head have."""
        return max(0, self.proxy_end.delivered - self.begins_at - len(self.head))


@dataclass
class Arrival:
    """A request that has reached a service."""

    message: Arriving
    at: float
    answer: Answer | None = None


@dataclass
class Tunnelled:
    """What a service has seen and said behind a 101."""

    proxy_end: Endpoint
    begins_at: int  # the offset of what it said, among all that was sent on this connection
    said: bytes = b""  # as far as it was written
    got: bytes = b""
    saw_end: bool = False

    @property
    def delivered(self) -> bytes:
        """What of `said` has reached the proxy's kernel."""
        return self.said[: max(0, self.proxy_end.delivered - self.begins_at)]


class Service:
    """Listens, and answers on each connection by a script of its own."""

    def __init__(self, network: Network, name: str, rng: Random, numbers: "list[int]") -> None:
        self.network = network
        self.rng = rng
        self._numbers = numbers  # the last one used by any service
        self.listening = ListeningSocket(network, name)
        self.listening.on_change = self._accept
        self.arrivals: list[Arrival] = []
        self.answers: list[Answer] = []
        self.broken = ""
        self.faulty = rng.random() * 0.8  # how much of what it does is not just an answer
        self.habit = rng.choice(_ACTS)  # what it does most of that
        self.tunnels: dict[int, Tunnelled] = {}  # by the request's number

    def _accept(self) -> None:
        while self.listening.queue:
            endpoint = self.listening.queue.pop(0)
            Peer(self.network, endpoint, self._serve(endpoint))

    def _pause(self) -> float:
        return self.rng.choice((0.0, 0.0, 0.0, 0.001, 0.03, 0.4))

    def _serve(self, endpoint: Endpoint) -> Script:
        reader, seen, sent = Reader(responses=False), 0, 0
        try:
            while True:
                while len(reader.messages) <= seen:
                    goes_on = yield from self._receive(endpoint, reader)
                    if not goes_on:
                        endpoint.close()
                        return
                message = reader.messages[seen]
                seen += 1
                arrival = Arrival(message, self.network.now)
                self.arrivals.append(arrival)
                self.network.say(f"{endpoint.name}: reads {message.method.decode()} {message.target.decode()}")
                keeps, sent = yield from self._answer(endpoint, reader, arrival, sent)
                if not keeps:
                    return
        except Broken as exc:
            self.broken = str(exc)
        except OSError:
            pass
        endpoint.close()

    def _receive(self, endpoint: Endpoint, reader: Reader) -> Generator[Wait, None, bool]:
        """Read once; whether anything came."""
        idle_s = self.rng.choice((0.0, 0.01, 100.0, 100.0, 100.0)) if not reader.current else 100.0
        if idle_s < 1:  # closes idle connections soon: the race that every pool has
            yield idle_s
            if not endpoint.is_readable:
                return False
        yield lambda: endpoint.is_readable
        try:
            data = endpoint.recv(self.rng.choice((100, 10_000, 1_000_000)))
        except BlockingIOError:
            return True
        reader.receive(data)
        return bool(data)

    def _answer(self, endpoint: Endpoint, reader: Reader, arrival: Arrival, sent: int) -> _Next:
        rng, message = self.rng, arrival.message
        act = "answer"
        if rng.random() < self.faulty:
            act = self.habit if rng.random() < 0.7 else rng.choice(_ACTS)
        early = act == "early close" or rng.random() < 0.2
        if act == "reset":
            yield self._pause()
            endpoint.reset()
            return False, sent
        if act == "close":
            yield self._pause()
            endpoint.close()
            return False, sent
        if field_value(message.head, b"expect") and rng.random() < 0.7:
            data = b"HTTP/1.1 100 Continue\r\n\r\n"
            yield from write(endpoint, data, 1, self._pause)
            sent += len(data)
        while not message.complete and not early:
            if not (yield from self._receive(endpoint, reader)):
                endpoint.close()
                return False, sent
        if act == "silent":
            yield 1e6
        if rng.random() < 0.15:
            data = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n"
            yield from write(endpoint, data, 1, self._pause)
            sent += len(data)
        yield self._pause()
        if field_value(message.head, b"upgrade") and rng.random() < 0.7:
            yield from self._tunnel(endpoint, message, sent)
            return False, sent
        return (yield from self._respond(endpoint, reader, arrival, sent, act))

    def _respond(self, endpoint: Endpoint, reader: Reader, arrival: Arrival, sent: int, act: str) -> _Next:
        rng, message = self.rng, arrival.message
        self._numbers[0] += 1
        number = self._numbers[0]
        framing = rng.choice(("length", "length", "chunked", "until close"))
        size = rng.choice((0, 12, 2_000, 80_000, 400_000))
        closes = framing == "until close" or rng.random() < 0.2 or act == "early close"
        status = rng.choice((200, 200, 200, 404, 503))
        lines = [b"HTTP/1.1 %d Said" % status, b"X-Answer: %d" % number, b"X-To: " + message.target, b"X-Hop: 1"]
        lines.append(b"Connection: X-Hop, close" if closes else b"Connection: X-Hop")
        if framing == "length":
            lines.append(b"Content-Length: %d" % size)
        elif framing == "chunked":
            lines.append(b"Transfer-Encoding: chunked")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        body = pattern(number, 0, size)
        if framing == "chunked":
            at, chunks = 0, []
            while at < size:
                count = rng.choice((1, 700, 30_000)) if size < 3_000 else rng.choice((5_000, 30_000))
                chunks.append(b"%x\r\n%s\r\n" % (len(body[at : at + count]), body[at : at + count]))
                at += count
            body = b"".join(chunks) + b"0\r\n\r\n"
        if message.method == b"HEAD":
            body = b""
        answer = Answer(number, endpoint, endpoint.peer, message, status, size, framing, head, sent, act)
        self.answers.append(answer)
        arrival.answer = answer
        data = head + body
        self.network.say(
            f"{endpoint.name}: answers {message.target.decode()} as {number} ({act}, {framing}, {size} bytes)"
        )
        if act in ("cut", "cut by reset", "stall"):
            cut_at = rng.randrange(len(data))
            if act == "cut" and framing == "until close":  # nothing tells that more was meant to come
                answer.size, answer.whole = max(0, min(cut_at - len(head), size)), True
            yield from write(endpoint, data[:cut_at], rng.choice((1, 3)), self._pause)
            yield self._pause()
            if act == "stall":
                yield 1e6
            elif act == "cut":
                endpoint.close()
            else:
                endpoint.reset()
            return False, sent
        yield from write(endpoint, data, rng.choice((1, 1, 2, 8)), self._pause)
        sent += len(data)
        answer.whole = True
        if act == "surplus" and framing != "until close":
            surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + SURPLUS_BODY
            yield from write(endpoint, surplus, 1, self._pause)
            return True, sent + len(surplus)
        if act == "early close":  # with bytes unread, perhaps: a reset right behind the answer
            endpoint.close()
            return False, sent
        while not message.complete:
            if not (yield from self._receive(endpoint, reader)):
                break
        if closes:
            endpoint.close()
            answer.closed = True
            return False, sent
        return True, sent

    def _tunnel(self, endpoint: Endpoint, message: Arriving, sent: int) -> Script:
        """Switch, say something, read on for as long as it likes, and say a last word."""
        rng = self.rng
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        tunnel = Tunnelled(endpoint.peer, sent + len(head))
        self.tunnels[int(message.target[1:])] = tunnel
        self.network.say(f"{endpoint.name}: switches for {message.target.decode()}")
        tunnel.said = b"hello" * rng.choice((1, 20_000))
        yield from write(endpoint, head + tunnel.said, rng.choice((1, 3)), self._pause)
        ends_after = rng.choice((0, 1, 50_000, 10**9, 10**9))
        while len(tunnel.got) < ends_after:
            yield lambda: endpoint.is_readable
            try:
                data = endpoint.recv(20_000)
            except BlockingIOError:
                continue
            if not data:
                tunnel.saw_end = True
                break
            tunnel.got += data
        tunnel.said += b"bye"
        yield from write(endpoint, b"bye", 1, self._pause)
        if rng.random() < 0.3:
            endpoint.reset()
        else:
            endpoint.close()  # a reset, too, where bytes are unread
