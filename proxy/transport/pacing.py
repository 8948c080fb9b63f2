"""How fast a stream reads: not at all, in small pieces, or all that there is, but never so much that others wait."""

import asyncio
from enum import Enum, auto
from typing import Final

from proxy.transport.deadlines import Deadlines
from proxy.transport.small_reads import SmallReads
from proxy.transport.writing import WritingSide


class Reading(Enum):
    """Whether more can arrive."""

    FLOWING = auto()
    PAUSED = auto()  # the loop does not read: too much is unread
    HANDED_OVER = auto()  # the loop does not read: what arrives is moved on within the kernel (`splicing`)
    FINISHED = auto()  # the peer has ended its side; what came before may be unread still


_PAUSED: Final = Reading.PAUSED
_HANDED_OVER: Final = Reading.HANDED_OVER
FINISHED: Final = Reading.FINISHED
FULL_READ_BYTES: Final = 250_000  # uvloop's reads hold 256,000; after a shorter one, libuv serves other sockets
#: How many full reads of all connections together are free in one turn of the loop. Behind each further one, reading
#: pauses until the next turn, which costs two system calls.
FREE_FULL_READS: Final = 4
#: From so many open streams of a worker on, bodies begin with small reads: a full read for each of them would be 64 MB,
#: and whether a receiver takes it is seen only afterwards.
MANY_STREAMS: Final = 256


class PacedReading(WritingSide):
    """The part of a stream that pauses and resumes reading."""

    __slots__ = ("_reading", "_reads_small")

    def __init__(self, deadlines: Deadlines) -> None:
        super().__init__(deadlines)
        self._reading = Reading.FLOWING
        self._reads_small = False  # read in small pieces

    @property
    def is_one_of_many(self) -> bool:
        """Whether so many streams are open that each must hold little even before its receiver is known to be slow."""
        return len(self._deadlines.streams) >= MANY_STREAMS

    def protocol(self) -> asyncio.BaseProtocol:
        """What an event loop is given to serve an accepted connection by. Where many streams are open, it reads in
        small pieces: the first request may bring a body before there is a connection to a service that takes it."""
        self._reads_small = self.is_one_of_many
        return SmallReads(self, self._deadlines.scratch) if self._reads_small else self

    def throttle(self) -> None:
        """Read on demand, in small pieces, until `unthrottle`: nothing arrives before the next `read`. The receiver is
        slow, and what was read for it would wait in memory. Not to be called while a fiber reads."""
        if self._ended is None and self._reading is not FINISHED and not self.transport.is_closing():
            self._pause()
            if not self._reads_small:
                self._reads_small = True
                self.transport.set_protocol(SmallReads(self, self._deadlines.scratch))

    def unthrottle(self) -> None:
        """Read without being asked again, and as much at once as there is."""
        if self._reads_small:
            self._read_by(self)

    def reset_pace(self) -> None:
        """Read as is right between messages: in small pieces where many streams are open, since the next message may
        be long and its receiver slow; else as much at once as there is."""
        if self._reads_small is not self.is_one_of_many:
            self._read_by(self if self._reads_small else SmallReads(self, self._deadlines.scratch))

    @property
    def is_unwatched(self) -> bool:
        """Whether the event loop would not notice that the peer ends its side, because it does not read."""
        return self._reading is _PAUSED or self._reading is _HANDED_OVER

    def hand_over_reading(self) -> None:
        """Stop the event loop from reading until `take_reading_back`, even while a fiber waits to read: the bytes are
        moved within the kernel. Nothing may be unread."""
        if self._reading is Reading.FLOWING:
            self.transport.pause_reading()
        self._reading = _HANDED_OVER

    def take_reading_back(self) -> None:
        """Let the event loop read again, if `hand_over_reading` has stopped it."""
        if self._reading is _HANDED_OVER and self._ended is None and not self.transport.is_closing():
            self._resume()

    def _read_by(self, protocol: asyncio.BaseProtocol) -> None:
        if self._ended is None and self._reading is not FINISHED and not self.transport.is_closing():
            self._reads_small = protocol is not self
            was_paused = self._reading is _PAUSED
            self._pause()  # uvloop looks at the kind of a protocol only when it begins to read
            self.transport.set_protocol(protocol)
            if not was_paused:
                self._resume()

    def _let_others_read(self) -> None:
        """Much has come: read on in the loop's next turn. libuv would read up to 32 times as much before others have a
        turn, and while a thousand connections are filled, small requests would wait for seconds."""
        shared = self._deadlines
        shared.full_reads += 1
        if shared.full_reads == 1:
            shared.loop.call_soon(shared.begin_turn)
        elif shared.full_reads > FREE_FULL_READS:
            self.transport.pause_reading()
            shared.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._reading is Reading.FLOWING and self._ended is None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _pause(self) -> None:
        if self._reading is Reading.FLOWING:
            self._reading = _PAUSED
            self.transport.pause_reading()

    def _resume(self) -> None:
        self._reading = Reading.FLOWING
        self.transport.resume_reading()
