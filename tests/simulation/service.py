"""A simulated service: does anything that a service may do, and what it may not."""

from collections.abc import Generator
from functools import partial
from typing import Final, TypeAlias

from tests.simulation.dice import Dice, dice_of
from tests.simulation.kernel import Endpoint, Network
from tests.simulation.listening import ListeningSocket
from tests.simulation.messages import Arriving, Broken, Reader, field_value, pattern
from tests.simulation.peers import Channel, Peer, Script, Wait, write
from tests.simulation.said import Answer, Arrival, Tunnelled
from tests.simulation.scenario import HEALTH_PATH, Scenario
from tests.simulation.secured import Secured

_ACTS: Final = ("cut", "cut by reset", "silent", "reset", "close", "early close", "early close", "surplus", "stall")
_SIZES: Final = (0, 12, 12, 2_000, 2_000, 20_000, 80_000, 400_000)
_HEALTH: Final = HEALTH_PATH.encode()  # no exchange's
_JUST_NOW_S: Final = 0.2
SURPLUS_BODY: Final = b"evil"
#: Whether the connection goes on, and how many bytes have been sent on it.
Next: TypeAlias = Generator[Wait, None, tuple[bool, int]]


class Service:
    """Listens, and answers on each connection by a script of its own."""

    def __init__(self, network: Network, name: str, scenario: Scenario, numbers: list[int]) -> None:
        self.network = network
        self.name = name
        self.scenario = scenario
        rng = scenario.dice(name)
        self._numbers = numbers  # the last one used by any service
        self.listening = ListeningSocket(network, name)
        self.listening.on_change = self._accept
        self.arrivals: list[Arrival] = []
        self.answers: list[Answer] = []
        self.broken = ""
        self.faulty = rng.random() * 0.8  # how much of what it does is not just an answer
        self.habit = rng.choice(_ACTS)  # what it does most of that
        if scenario.has("early answers"):
            self.faulty, self.habit = 0.8, "early close"
        self.tunnels: list[Tunnelled] = []
        #: On which what nobody had asked for was said just as the next request came: that looks like its answer.
        self.confused: set[Channel] = set()
        self._surplus_at: dict[Channel, float] = {}
        self.admitted: set[bytes] = set()  # targets of requests that may come in, where it is asked about that
        self._rng = rng
        self._times: dict[bytes, int] = {}  # how often each target was asked for
        self._open: list[Endpoint] = []

    def plan_outage(self) -> None:
        """For a while, it refuses connections; perhaps those that are open break."""
        rng, network = self._rng, self.network
        begins_at, lasts_s, breaks = rng.random() * 4.0, rng.choice((0.3, 2.0, 20.0)), rng.random() < 0.6

        def begin() -> None:
            network.say(f"{self.name}: is down")
            self.listening.refuses = True
            for endpoint in self._open if breaks else []:
                endpoint.reset()

        def end() -> None:
            network.say(f"{self.name}: is up")
            self.listening.refuses = False

        network.at(begins_at, begin)
        network.at(begins_at + lasts_s, end)

    def _accept(self) -> None:
        while self.listening.queue:
            endpoint = self.listening.queue.pop(0)
            self._open = [each for each in self._open if not each.is_closed] + [endpoint]
            Peer(self.network, endpoint, self._serve(endpoint))

    def pause(self, rng: Dice) -> float:
        """How long it waits between two pieces."""
        return rng.choice((0.0, 0.0, 0.0, 0.001, 0.03, 0.4))

    def _serve(self, raw: Endpoint) -> Script:
        reader, seen, sent, rng = Reader(responses=False), 0, 0, raw.dice
        endpoint: Channel = raw
        try:
            if self.scenario.has("TLS to services"):
                if rng.random() < 0.03:
                    yield 1e6  # accepts, and says nothing
                secured = endpoint = Secured(raw, rng, server_side=True)
                yield from secured.handshake()
            while True:
                while len(reader.messages) <= seen:
                    goes_on = yield from self._receive(endpoint, reader, rng)
                    if not goes_on:
                        endpoint.close()
                        return
                message = reader.messages[seen]
                seen += 1
                arrival = Arrival(message, self.network.now)
                if message.target != _HEALTH:
                    self.arrivals.append(arrival)
                if self.network.now - self._surplus_at.get(endpoint, float("-inf")) < _JUST_NOW_S:
                    self.confused.add(endpoint)
                self.network.say(f"{endpoint.name}: reads {message.method.decode()} {message.target.decode()}")
                # By the request, not by the order of arrival: leaving others out changes nothing for it.
                times = self._times[message.target] = self._times.get(message.target, 0) + 1
                rng = dice_of(self.scenario.seed, f"{self.name} {message.target!r} {times}")
                keeps, sent = yield from self._answer(endpoint, reader, arrival, sent, rng)
                if not keeps:
                    return
        except Broken as exc:
            self.broken = str(exc)
        except OSError:
            pass
        endpoint.close()

    def _receive(self, endpoint: Channel, reader: Reader, rng: Dice) -> Generator[Wait, None, bool]:
        """Read once; whether anything came."""
        idle_s = rng.choice((0.0, 0.01, 100.0, 100.0, 100.0)) if not reader.current else 100.0
        if idle_s < 1:  # closes idle connections soon: the race that every pool has
            yield idle_s
            if not endpoint.is_readable:
                return False
        yield lambda: endpoint.is_readable
        try:
            data = endpoint.recv(rng.choice((100, 10_000, 1_000_000)))
        except BlockingIOError:
            return True
        reader.receive(data)
        return bool(data)

    def act(self, rng: Dice) -> str:
        """What it does about a request."""
        if rng.random() >= self.faulty:
            return "answer"
        return self.habit if rng.random() < 0.7 else rng.choice(_ACTS)

    def _answer(self, endpoint: Channel, reader: Reader, arrival: Arrival, sent: int, rng: Dice) -> Next:
        message = arrival.message
        act = self.act(rng)
        early = act == "early close" or rng.random() < 0.2
        if act == "reset":
            yield self.pause(rng)
            endpoint.reset()
            return False, sent
        if act == "close":
            yield self.pause(rng)
            endpoint.close()
            return False, sent
        if field_value(message.head, b"expect") and rng.random() < 0.7:
            data = b"HTTP/1.1 100 Continue\r\n\r\n"
            yield from write(endpoint, data, 1, partial(self.pause, rng))
            sent += len(data)
        while not message.complete and not early:
            if not (yield from self._receive(endpoint, reader, rng)):
                endpoint.close()
                return False, sent
        if act == "silent":
            yield 1e6
        if rng.random() < 0.15:
            data = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n"
            yield from write(endpoint, data, 1, partial(self.pause, rng))
            sent += len(data)
        yield self.pause(rng)
        if field_value(message.head, b"upgrade") and rng.random() < 0.7:
            yield from self._tunnel(endpoint, message, sent, rng)
            return False, sent
        return (yield from self._respond(endpoint, reader, arrival, sent, act, rng))

    def _respond(self, endpoint: Channel, reader: Reader, arrival: Arrival, sent: int, act: str, rng: Dice) -> Next:
        message = arrival.message
        self._numbers[0] += 1
        number = self._numbers[0]
        framing = rng.choice(("length", "length", "chunked", "until close"))
        size = self.scenario.size(rng.choice(_SIZES))
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
                count = rng.choice((1, 700, 30_000)) if size < 300 else rng.choice((5_000, 30_000))
                chunks.append(b"%x\r\n%s\r\n" % (len(body[at : at + count]), body[at : at + count]))
                at += count
            body = b"".join(chunks) + b"0\r\n\r\n"
        if message.method == b"HEAD":
            body = b""
        answer = Answer(number, endpoint, message, status, size, framing, head, sent, act)
        if message.target != _HEALTH:
            self.answers.append(answer)
        arrival.answer = answer
        data = head + body
        self.network.say(
            f"{endpoint.name}: answers {message.target.decode()} as {number} ({act}, {framing}, {size} bytes)"
        )
        if act in ("cut", "cut by reset", "stall"):
            cut_at = rng.randrange(len(data))
            if (
                act == "cut" and framing == "until close" and endpoint.says_goodbye
            ):  # nothing tells that more was meant to come
                answer.size, answer.whole = max(0, min(cut_at - len(head), size)), True
            yield from write(endpoint, data[:cut_at], rng.choice((1, 3)), partial(self.pause, rng))
            yield self.pause(rng)
            if act == "stall":
                yield 1e6
            elif act == "cut":
                endpoint.close()
            else:
                endpoint.reset()
            return False, sent
        yield from write(endpoint, data, rng.choice((1, 1, 2, 8)), partial(self.pause, rng))
        sent += len(data)
        answer.whole = True
        if act == "surplus" and framing != "until close":
            surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + SURPLUS_BODY
            yield from write(endpoint, surplus, 1, partial(self.pause, rng))
            self._surplus_at[endpoint] = self.network.now
            return True, sent + len(surplus)
        if act == "early close":  # with bytes unread, perhaps: a reset right behind the answer
            endpoint.close()
            return False, sent
        while not message.complete:
            if not (yield from self._receive(endpoint, reader, rng)):
                break
        if closes:
            endpoint.close()
            answer.closed = True
            return False, sent
        return True, sent

    def _tunnel(self, endpoint: Channel, message: Arriving, sent: int, rng: Dice) -> Script:
        """Switch, say something, read on for as long as it likes, and say a last word."""
        self._numbers[0] += 1
        number = self._numbers[0]
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        head += b"X-Answer: %d\r\n\r\n" % number
        tunnel = Tunnelled(number, message.target, endpoint, sent + len(head))
        self.tunnels.append(tunnel)
        self.network.say(f"{endpoint.name}: switches for {message.target.decode()}")
        tunnel.said = b"hello" * rng.choice((1, 20_000 // self.scenario.scale))
        yield from write(endpoint, head + tunnel.said, rng.choice((1, 3)), partial(self.pause, rng))
        ends_after = rng.choice((0, 1, 50_000 // self.scenario.scale, 10**9, 10**9))
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
        yield from write(endpoint, b"bye", 1, partial(self.pause, rng))
        if rng.random() < 0.3:
            endpoint.reset()
        else:
            endpoint.close()  # a reset, too, where bytes are unread
