"""TCP as a program meets it through its kernel, by the rules of Linux: queues of bytes, ends, and resets.

An `Endpoint` is one socket. What is written waits in `unsent` until the network takes it to the peer's `received`, in
pieces, some time later. The rules that matter here, and where Linux has them:

- Closing with unread bytes, or with SO_LINGER at zero, sends RST and drops what is unsent (tcp_close).
- Bytes that reach a closed socket are answered with RST (tcp_rcv_state_process).
- RST drops what is unsent, but leaves what has been received readable; the error is told once, behind it: ECONNRESET, or
  EPIPE where the peer had ended its side before (tcp_reset).
"""

import errno
import heapq
import os
from collections.abc import Callable
from typing import Final

from tests.simulation.dice import Dice

_NEVER: Final = float("inf")
#: How many bytes arrive at once: on most connections whole segments, on some anything.
_SEGMENTS: Final = (1448, 16_384, 65_536, 65_536)
_SMALL_SEGMENTS: Final = (1, 7, 300, 1448, 16_384, 65_536)
_CAPACITIES: Final = (40_000, 40_000, 200_000)
_SMALL_CAPACITIES: Final = (2_000, 2_000, 40_000, 200_000)


class Network:
    """The clock, and everything that is under way between endpoints. Every choice is the seed's."""

    def __init__(
        self,
        rng: Dice,
        trace: Callable[[str], None] | None = None,
        *,
        scale: int = 1,
        narrow: bool = True,
        calm: bool = False,
    ) -> None:
        """Kernel buffers are `scale` times smaller than usual, and many of them smaller still where it is `narrow`. Where
        it is `calm`, all that is sent arrives at once."""
        self.rng = rng
        self.scale = scale
        self.calm = calm
        self.capacities = tuple(each // scale for each in (_SMALL_CAPACITIES if narrow else _CAPACITIES))
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.events = 0
        self.trace = trace
        #: Told where something arrives, and what: bytes, an end, a reset.
        self.on_event: Callable[[Endpoint, str], None] | None = None

    def at(self, delay_s: float, event: Callable[[], None]) -> None:
        """Let something happen later."""
        self.events += 1
        heapq.heappush(self._events, (self.now + delay_s, self.events, event))

    def soon(self, event: Callable[[], None], dice: Dice) -> None:
        """Let something happen in a moment: mostly at once, sometimes milliseconds later."""
        choice = dice.random()
        at = self.now
        if choice >= 0.4 and not self.calm:
            at += choice * (0.001 if choice < 0.8 else 0.02)
        self.events += 1
        heapq.heappush(self._events, (at, self.events, event))

    @property
    def next_at(self) -> float:
        """When the next thing happens; infinity where nothing will."""
        return self._events[0][0] if self._events else _NEVER

    def advance(self, until: float) -> None:
        """Let everything happen that is due by then."""
        events = self._events
        while events and events[0][0] <= until:
            at, _, event = heapq.heappop(events)
            if at > self.now:
                self.now = at
            event()
        if until > self.now:
            self.now = until

    def say(self, text: str) -> None:
        """Write a line of the trace."""
        if self.trace is not None:
            self.trace(f"{self.now:10.4f}  {text}")

    def note(self, arrives_at: "Endpoint", event: str) -> None:
        """Tell who counts what has been met."""
        if self.on_event is not None and arrives_at.name.startswith("proxy"):
            self.on_event(arrives_at, event)

    def pair(self, one: str, other: str, dice: Dice) -> "tuple[Endpoint, Endpoint]":
        """Two connected endpoints."""
        first, second = Endpoint(self, one, dice), Endpoint(self, other, dice)
        first.peer, second.peer = second, first
        return first, second


class Endpoint:
    """One side of a connection, as the kernel keeps it for a program."""

    peer: "Endpoint"
    says_goodbye = True  # by FIN: see `Secured`

    def __init__(self, network: Network, name: str, dice: Dice) -> None:
        self.network = network
        self.name = name
        self.dice = dice
        self.received = bytearray()
        self.unsent = bytearray()
        self.capacity_in = dice.choice(network.capacities)
        self.capacity_out = dice.choice(network.capacities)
        self._segments = _SMALL_SEGMENTS if dice.random() < 0.2 else _SEGMENTS
        self.delivered = 0  # bytes that have ever reached `received`
        self.fin_received = False
        self.fin_wanted = False
        self.fin_sent = False
        self.is_dead = False  # a reset was received
        self.error: OSError | None = None  # told once
        self.is_closed = False
        self.duplicates = 0  # other descriptors, which keep it open
        self.is_close_due = False  # with the last of them
        self.linger_zero = False
        self.unsent_at_reset = 0  # Linux goes on telling it
        self.took_at = network.now  # when the peer's kernel took something last
        self.untaken_for_s = 0.0  # when it was closed: since then
        self.on_change: Callable[[], None] | None = None  # the program may have something to do
        self._under_way = False

    def __repr__(self) -> str:
        return f"<{self.name} received={len(self.received)} unsent={len(self.unsent)}>"

    # -- what a program calls ------------------------------------------------------------------------------------

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """As send(2). Raises OSError, BlockingIOError."""
        self._raise_error()
        if self.is_dead or self.fin_wanted:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        count = min(len(data), self.capacity_out - len(self.unsent))
        if count <= 0:
            raise BlockingIOError
        self.unsent += data[:count]
        self._transmit()
        return count

    def recv(self, count: int) -> bytes:
        """As recv(2). Raises OSError, BlockingIOError."""
        if self.received and not self.is_closed:
            data = bytes(self.received[:count])
            del self.received[:count]
            self.peer._transmit()
            return data
        self._raise_error()
        if self.fin_received or self.is_dead:
            return b""
        raise BlockingIOError

    def shut_down_writing(self) -> None:
        """As shutdown(2) with SHUT_WR. Raises OSError."""
        if self.is_dead:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        self.fin_wanted = True
        self._transmit()

    def close(self) -> None:
        """As close(2)."""
        if self.is_closed:
            return
        self.is_close_due = self.duplicates > 0
        if self.is_close_due:
            return
        self.is_closed = True
        self.untaken_for_s = self.network.now - self.took_at
        self.network.say(f"{self.name}: close{' with unread bytes' if self.received else ''}")
        if self.is_dead:
            return
        if self.received or self.linger_zero:
            self.received.clear()
            is_on_the_wire = self.unsent and not self.peer.is_closed and self.dice.random() < 0.8
            if is_on_the_wire and self._deliver(len(self.unsent)):  # and the reset comes behind it
                self.peer._changed()
            self.unsent.clear()
            self.fin_wanted = False  # an end that was queued behind these bytes is dropped with them
            self._send_reset()
        else:
            self.fin_wanted = True
            self._transmit()

    def reset(self) -> None:
        """Close with RST, whatever is unread or unsent."""
        self.linger_zero = True
        self.close()

    @property
    def arrived(self) -> int:
        """How many bytes of what was written have reached the peer's kernel."""
        return self.peer.delivered

    @property
    def ended_cleanly(self) -> bool:
        """Whether the peer has ended its side properly."""
        return self.fin_received

    @property
    def is_readable(self) -> bool:
        return bool(self.received) or self.fin_received or self.is_dead

    @property
    def is_writable(self) -> bool:
        return self.is_dead or len(self.unsent) < self.capacity_out // 2

    # -- what the network does -----------------------------------------------------------------------------------

    def _raise_error(self) -> None:
        if self.is_closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        error, self.error = self.error, None
        if error is not None:
            raise error

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def _transmit(self) -> None:
        if not self._under_way and not self.is_dead and (self.unsent or (self.fin_wanted and not self.fin_sent)):
            self._under_way = True
            self.network.soon(self._arrive, self.dice)

    def _arrive(self) -> None:
        self._under_way = False
        peer = self.peer
        if self.is_dead:
            return
        if self.unsent:
            if peer.is_closed or peer.is_dead:
                peer._send_reset()  # nobody is there for these bytes
                return
            if not self._deliver(10**9 if self.network.calm else self.dice.choice(self._segments)):
                return  # `recv` opens the window again
            peer._changed()
            self._changed()
        elif self.fin_wanted and not self.fin_sent:
            self.fin_sent = True
            self.network.say(f"{self.name} → {peer.name}: FIN")
            if not peer.is_dead and not peer.is_closed:
                self.network.note(peer, "end")
                peer.fin_received = True
                peer._changed()
        self._transmit()

    def _deliver(self, most: int) -> int:
        """Move bytes to the peer, as many as it has room for."""
        peer, network = self.peer, self.network
        count = max(0, min(peer.capacity_in - len(peer.received), len(self.unsent), most))
        if count:
            peer.received += self.unsent[:count]
            peer.delivered += count
            self.took_at = network.now
            del self.unsent[:count]
            if network.trace is not None:
                network.say(f"{self.name} → {peer.name}: {count} bytes")
            if network.on_event is not None:
                network.note(peer, "bytes")
        return count

    def _send_reset(self) -> None:
        self.network.soon(self.peer._reset_arrives, self.dice)

    def _reset_arrives(self) -> None:
        if self.is_dead:
            return
        self.is_dead = True
        self.unsent_at_reset = len(self.unsent)
        self.unsent.clear()
        if not self.is_closed:
            self.network.say(f"{self.peer.name} → {self.name}: RST")
            self.network.note(self, "reset")
            number = errno.EPIPE if self.fin_received else errno.ECONNRESET
            self.error = OSError(number, os.strerror(number))
            self._changed()
