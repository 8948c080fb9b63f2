"""The service that says who may come in."""

from functools import partial

from tests.simulation.dice import Dice
from tests.simulation.messages import Reader, field_value
from tests.simulation.peers import Channel, write
from tests.simulation.said import Arrival
from tests.simulation.service import Next, Service


class AuthService(Service):
    """Answers as a service does that decides, or as one that is broken."""

    def _answer(self, endpoint: Channel, reader: Reader, arrival: Arrival, sent: int, rng: Dice) -> Next:
        message, act = arrival.message, self.act(rng)
        asked_for = field_value(message.head, b"x-forwarded-uri") or b""
        yield self.pause(rng)
        if act in ("silent", "stall"):
            yield 1e6
        if act in ("reset", "cut by reset"):
            endpoint.reset()
            return False, sent
        if act in ("close", "cut"):
            endpoint.close()
            return False, sent
        status = rng.choice((200, 200, 200, 204, 401))
        if 200 <= status < 300:
            self.admitted.add(asked_for)
        body = b"" if status == 204 else b"x" * rng.choice((0, 30, 3_000))
        head = b"HTTP/1.1 %d Said\r\nX-User: u%s\r\nX-From: auth\r\n" % (status, asked_for[1:])
        if status != 204:
            head += b"Content-Length: %d\r\n" % len(body)
        yield from write(endpoint, head + b"\r\n" + body, rng.choice((1, 3)), partial(self.pause, rng))
        if act == "early close":
            endpoint.close()
        return act != "early close", sent
