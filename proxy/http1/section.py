"""A field section that messages share, and the lines of a message that are forwarded, with their bytes."""

from typing import Final

from proxy.http1.fields import Fields, Index, connection_options, index


class Lines:
    """Field lines that are forwarded, and their bytes: messages may share them, so neither is changed."""

    __slots__ = ("fields", "wire")

    def __init__(self, fields: Fields, known_wire: bytes | None = None) -> None:
        self.fields: Final = fields
        self.wire: Final = wire(fields) if known_wire is None else known_wire


class SharedSection:
    """The field lines of a head (RFC 9110 §6.3), the index of them, and the words of `Connection`, in lower case.

    It is read once, and shared by all messages that have it: nothing of it is changed. `forwarded` has the lines of it
    that are forwarded, by the rules that remove the others (`policy.stripping.Removals`); `outgoing` has those and
    what this hop states behind them, by its `policy.plan_settings`, where that is the same for all these messages.
    """

    __slots__ = ("fields", "forwarded", "known", "options", "outgoing")

    def __init__(self, fields: Fields, known: Index, options: frozenset[bytes]) -> None:
        self.fields: Final = fields
        self.known: Final = known
        self.options: Final = options
        self.forwarded: Final[dict[object, Lines]] = {}
        self.outgoing: Final[dict[object, Outgoing]] = {}


class Outgoing:
    """The field lines of a response that is sent, and their bytes: those that are forwarded, and behind them those that
    this hop states. Messages may share them, so neither is changed."""

    __slots__ = ("kept", "stated", "wire")

    def __init__(self, kept: Lines, stated: Fields) -> None:
        self.kept: Final = kept
        self.stated: Final = stated
        self.wire: Final = kept.wire + wire(stated)

    def lines(self) -> Fields:
        """All of them, in order."""
        return [*self.kept.fields, *self.stated]


def wire(fields: Fields) -> bytes:
    """Field lines as bytes, each with its line end."""
    # Where this is compiled, one format for each line costs less than any way to join its parts.
    return b"".join([b"%b: %b\r\n" % (line[0], line[1]) for line in fields])


NO_LINES: Final = Lines([])


def outgoing(lines: Fields) -> Outgoing:
    """Lines that were chosen elsewhere, as they are sent."""
    return Outgoing(NO_LINES, lines)


def section(fields: Fields) -> tuple[Fields, Index, frozenset[bytes]]:
    """What a head is made with, from its lines: the lines, the index of them, and the words of `Connection`."""
    known = index(fields)
    return fields, known, connection_options(known)
