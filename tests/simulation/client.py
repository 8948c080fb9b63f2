"""A simulated client: what it asks, how it asks, how it reads, and when it leaves."""

from dataclasses import dataclass, field
from typing import Final

from tests.simulation.access import Login
from tests.simulation.dice import Dice
from tests.simulation.kernel import Endpoint, Network
from tests.simulation.listening import ListeningSocket
from tests.simulation.messages import Broken, Reader, pattern
from tests.simulation.peers import Channel, Peer, Script, write
from tests.simulation.scenario import Scenario
from tests.simulation.secured import Secured

_SIZES: Final = (0, 10, 3_000, 3_000, 20_000, 70_000, 300_000)


@dataclass
class Ask:
    """One request."""

    number: int
    method: bytes
    size: int  # of its body
    chunked: bool
    expects: bool
    closes: bool
    upgrade: bool
    login: Login | None = None
    is_old: bool = False  # HTTP/1.0
    keeps: bool = False  # where it is: asks for the connection to be kept

    @property
    def head(self) -> bytes:
        version = b"HTTP/1.0" if self.is_old else b"HTTP/1.1"
        lines = [b"%s /%d %s" % (self.method, self.number, version), b"Host: h", b"X-Hop: %d" % self.number]
        lines += [b"X-Key: %d" % (self.number % 7), b"X-User: forged"]
        lines += self.login.lines if self.login is not None else []
        options = [b"X-Hop"]
        if self.closes:
            options.append(b"close")
        elif self.keeps:
            options.append(b"keep-alive")
        if self.upgrade:
            options.append(b"Upgrade")
            lines.append(b"Upgrade: websocket")
        lines.append(b"Connection: " + b", ".join(options))
        if self.expects:
            lines.append(b"Expect: 100-continue")
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.size or self.method == b"POST":
            lines.append(b"Content-Length: %d" % self.size)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def body(self, rng: Dice) -> bytes:
        data = pattern(self.number, 0, self.size)
        if not self.chunked:
            return data
        chunks, at = [], 0
        while at < len(data):
            count = rng.choice((1, 50, 4_000, 60_000))
            chunks.append(b"%x\r\n%s\r\n" % (len(data[at : at + count]), data[at : at + count]))
            at += count
        return b"".join(chunks) + b"0\r\n\r\n"


def choose_ask(rng: Dice, number: int, scenario: Scenario, *, is_last: bool) -> Ask:
    """A request, by the seed."""
    has_body = rng.random() < scenario.bodies
    method = b"POST" if has_body and rng.random() < 0.8 else rng.choice((b"GET", b"GET", b"GET", b"HEAD", b"PUT"))
    if method in (b"GET", b"HEAD"):
        has_body = False
    old = scenario.dice(f"HTTP/1.0 {number}") if scenario.has("HTTP/1.0") else None
    is_old = old is not None and old.random() < 0.7
    return Ask(
        number=number,
        method=method,
        size=scenario.size(rng.choice(_SIZES)) if has_body else 0,
        chunked=has_body and rng.random() < 0.5 and not is_old,
        expects=has_body and rng.random() < 0.15 and not is_old,
        closes=is_last and rng.random() < 0.5,
        upgrade=is_last and not has_body and rng.random() < 0.15 and not is_old,
        login=Login(scenario.dice(f"login {number}")) if scenario.has("basic auth") else None,
        is_old=is_old,
        keeps=old is not None and is_old and old.random() < 0.7,
    )


@dataclass
class Client:
    """One connection, and what became of it."""

    number: int
    network: Network
    front: ListeningSocket
    asks: list[Ask]
    rng: Dice
    comes_at: float = 0.0
    leaves: str = ""  # "": reads to the end; else "fin", "close", "reset", "stops reading": at a moment of its own
    pipelines: bool = False
    reader: Reader = field(default_factory=lambda: Reader(responses=True))
    sent: list[Ask] = field(default_factory=list)  # whole
    begun: list[Ask] = field(default_factory=list)
    has_left: bool = False
    end: str = ""  # how the proxy ended the connection: "fin", "reset"
    broken: str = ""
    tunnel_sent: bytes = b""
    speaks_tls: bool = False
    proxy_header: bool = False  # a balancer's, which says who the client is
    endpoint: Channel = field(init=False, repr=False)
    _raw: Endpoint = field(init=False, repr=False)

    @property
    def name(self) -> str:
        """As it stands in a trace."""
        return f"client{self.number}"

    @property
    def is_over(self) -> bool:
        """Whether it waits for nothing any more."""
        return bool(self.end) or self.has_left

    def begin(self) -> None:
        """Connect, and begin to write and to read."""
        network = self.network
        try:
            raw = self._raw = self.endpoint = self.front.connect(self.name, self.rng.another())
        except ConnectionRefusedError:
            self.end = "refused"
            network.say(f"{self.name}: refused")
            return
        if self.speaks_tls or self.proxy_header:
            Peer(network, raw, self._arrive(raw))
        else:
            self._talk(raw)
        if self.leaves:
            Peer(network, raw, self._leave(network))

    @property
    def untaken_for_s(self) -> float:
        """When the proxy closed the connection: since when this client's kernel had taken nothing."""
        return self._raw.peer.untaken_for_s

    @property
    def address(self) -> bytes:
        """Who a PROXY header says that it is."""
        return b"203.0.113.%d" % self.number if self.proxy_header else b"192.0.2.9"

    def _talk(self, raw: Endpoint) -> None:
        for script in (self._write(self.network), self._read(self.network)):
            Peer(self.network, raw, script)

    def _arrive(self, raw: Endpoint) -> Script:
        """What stands before HTTP."""
        rng = self.rng
        try:
            if self.proxy_header:
                line = b"PROXY TCP4 %s 192.0.2.1 4242 80\r\n" % self.address
                if rng.random() < 0.5:
                    there = bytes((203, 0, 113, self.number)) + bytes((192, 0, 2, 1, 1, 0, 0, 80))
                    line = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + there
                yield from write(raw, line, rng.choice((1, 1, 3)), self._pause)
            if self.speaks_tls:
                secured = Secured(raw, rng, server_side=False)
                yield from secured.handshake()
                self.endpoint = secured
        except OSError:
            self.end = "reset"
            self.network.say(f"{self.name}: sees the end before HTTP")
            return
        if not self.has_left:
            self._talk(raw)

    def _pause(self) -> float:
        return self.rng.choice((0.0, 0.0, 0.0, 0.001, 0.02, 0.3))

    def _answered(self, count: int) -> bool:
        finals = self.reader.finals
        return bool(self.end) or self.has_left or (len(finals) >= count and finals[count - 1].complete)

    def _write(self, network: Network) -> Script:
        rng = self.rng
        try:
            yield rng.choice((0.0, 0.001, 0.5))
            for index, ask in enumerate(self.asks):
                if index and not self.pipelines:
                    yield lambda count=index: self._answered(count)  # type: ignore[misc]
                    yield rng.choice((0.0, 0.0, 0.001, 0.2, 1.5))
                if self.end or self.has_left:
                    return
                self.begun.append(ask)
                self.reader.methods.append(ask.method)
                network.say(f"{self.name}: asks {ask.method.decode()} /{ask.number} with {ask.size} bytes")
                pieces = rng.choice((1, 1, 1, 2, 9))
                body = ask.body(rng)
                if ask.expects:
                    yield from write(self.endpoint, ask.head, pieces, self._pause)
                    messages = self.reader.messages
                    yield lambda: bool(self.end or self.has_left) or any(m.status == 100 for m in messages[-1:])  # noqa: B023
                    if any(m.status == 100 for m in messages[-1:]):
                        yield from write(self.endpoint, body, pieces, self._pause)
                    else:
                        return  # answered without a 100: what it would send now is still this request's body
                else:
                    yield from write(self.endpoint, ask.head + body, pieces, self._pause)
                self.sent.append(ask)
                if ask.upgrade:
                    yield lambda: self._answered(len(self.begun))
                    if self.reader.tunnel is not None:
                        data = pattern(ask.number, 0, rng.choice((5, 9_000, 200_000)))
                        self.tunnel_sent = data
                        yield from write(self.endpoint, data, rng.choice((1, 4)), self._pause)
                        if rng.random() < 0.6:
                            self.endpoint.shut_down_writing()
        except OSError:
            pass

    def _read(self, network: Network) -> Script:
        rng, endpoint = self.rng, self.endpoint
        slow = rng.random() < 0.25
        count = rng.choice((500, 5_000, 65_536)) if slow else 1_000_000
        try:
            while True:
                yield lambda: endpoint.is_readable
                if self.leaves == "stops reading" and self.has_left:
                    return
                if slow:
                    yield rng.choice((0.0, 0.01, 0.1))
                try:
                    data = endpoint.recv(count)
                except BlockingIOError:
                    continue
                if not data:
                    # The error of a reset may have been told to the writer: reading says no more then than an end.
                    self.end = "fin" if endpoint.ended_cleanly else "reset"
                    if endpoint.ended_cleanly:
                        self.reader.end()
                    break
                self.reader.receive(data)
                if endpoint.on_change is not None:
                    endpoint.on_change()
        except OSError:
            self.end = "reset"
        except Broken as exc:
            self.broken = str(exc)
            self.end = "broken"
        network.say(f"{self.name}: sees the end: {self.end}")
        if endpoint.on_change is not None:
            endpoint.on_change()
        if not self.leaves:
            yield 5.0
            endpoint.close()

    def _leave(self, network: Network) -> Script:
        yield self.rng.choice((0.0, 0.002, 0.05, 0.6, 3.0)) * self.rng.random()
        if self.end:
            return
        self.has_left = True
        network.say(f"{self.name}: leaves ({self.leaves})")
        if self.leaves == "fin":
            if not self.endpoint.is_dead:
                self.endpoint.shut_down_writing()
        elif self.leaves == "close":
            self.endpoint.close()
        elif self.leaves == "reset":
            self.endpoint.reset()
        if self.endpoint.on_change is not None:
            self.endpoint.on_change()
