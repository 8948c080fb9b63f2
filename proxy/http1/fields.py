"""Field lines: how they are kept, found and split into list members (RFC 9110 §5).

A field line is the pair (name, value) as it stood on the wire: spelling, order and duplicates are kept. What the
proxy itself understands is looked up in an index made once per head, so that the lines are scanned once.
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from proxy.http1.field_names import CLIENT_IDENTITY_PREFIX, Trait, impostors, names, spellings, variables
from proxy.http1.remembered import Remembered

#: A name and a value. Typed as a tuple of any length: mypyc would unpack and rebuild a pair wherever it is passed on.
#: That costs time, and `policy.decisions` recognises a line by its identity.
FieldLine: TypeAlias = tuple[bytes, ...]
Fields: TypeAlias = list[FieldLine]

#: Lower-case name -> its values in wire order; only names in `INDEXED` are in it.
Index: TypeAlias = dict[bytes, list[bytes]]

#: The fields whose meaning this proxy acts on. All others pass without being looked at.
UNDERSTOOD: Final = names(Trait.UNDERSTOOD)

#: Those, every name that is stripped without being nominated, and the one that `Connection: close` nominates: so
#: neither stripping nor counting needs a walk over the lines.
INDEXED: Final = (
    UNDERSTOOD | names(Trait.HOP_BY_HOP) | spellings(names(Trait.CLIENT_IDENTITY | Trait.STATED_ABOUT_CLIENT))
    | variables() | impostors() | {b"close"}
)  # fmt: skip

#: Longest list in which this proxy looks for a word, in bytes: no honest peer sends more, and searching costs time.
#: Not for `Connection`: whatever it nominates must be removed (bounded by `limits.nominations`).
MOST_LIST_BYTES: Final = 1024

_X_FORWARDED: Final = spellings([CLIENT_IDENTITY_PREFIX])
_X_FORWARDED_LENGTH: Final = len(CLIENT_IDENTITY_PREFIX)
_X: Final = CLIENT_IDENTITY_PREFIX[0]
_SPACE: Final = 0x20

#: The key under which an index keeps the lower-case names that begin with X-Forwarded. No field has an empty name.
X_FORWARDED_NAMES: Final = b""

TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
PROTOCOL: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?")  # RFC 9110 §7.8


def _key(name: bytes) -> bytes | None:
    """The name under which a line is indexed; None: it passes without being looked at."""
    key = name.lower()
    return key if key in INDEXED or is_x_forwarded(key) else None


#: The name under which a line is indexed, by its name as peers spell it.
KEYS: Final = Remembered(_key, 1024)


class Entry:
    """A field line, the lower-case name under which it is indexed, or None, and its bytes as it is sent, with CR, where
    it is known how it arrived."""

    __slots__ = ("key", "line", "text")

    def __init__(self, name: bytes, value: bytes, text: bytes = b"") -> None:
        """`text` is how it arrived, with CR: white space before the value may be missing, or too much."""
        self.line: Final[FieldLine] = (name, value)
        self.key: Final = KEYS[name]
        as_sent = not text or (len(text) == len(name) + len(value) + 3 and text[len(name) + 1] == _SPACE)
        self.text: Final = text if as_sent else b"%b: %b\r" % (name, value)


class Arrived:
    """What else is known of a head's lines: the bytes of each as it is sent, with CR, and the places of those that are
    indexed."""

    __slots__ = ("indexed", "texts")

    def __init__(self) -> None:
        self.texts: Final[list[bytes]] = []
        self.indexed: Final[list[int]] = []


def gather(entries: list[Entry]) -> tuple[Fields, Index, Arrived]:
    """The lines of a head, and the index of them: the values of every field that this proxy understands or strips;
    and, under `X_FORWARDED_NAMES`, the names that begin with X-Forwarded."""
    lines: Fields = []
    known: Index = {}
    arrived = Arrived()
    texts = arrived.texts
    for entry in entries:
        line, key = entry.line, entry.key
        lines.append(line)
        texts.append(entry.text)
        if key is not None:
            arrived.indexed.append(len(lines) - 1)
            if key in known:
                known[key].append(line[1])
            else:
                known[key] = [line[1]]
            if key[0] == _X and is_x_forwarded(key):
                known.setdefault(X_FORWARDED_NAMES, []).append(key)
    return lines, known, arrived


def index(lines: Iterable[FieldLine]) -> Index:
    """The index of lines that were read elsewhere."""
    return gather([Entry(line[0], line[1]) for line in lines])[1]


def is_token(text: str) -> bool:
    """Whether a text may be the name of a field or a cookie (RFC 9110 §5.6.2, RFC 6265 §4.1.1)."""
    return text.isascii() and TOKEN.fullmatch(text.encode("ascii")) is not None


def is_x_forwarded(name: bytes) -> bool:
    """Whether a lower-case name begins with `x-forwarded`, in any spelling."""
    return name[:_X_FORWARDED_LENGTH] in _X_FORWARDED


def members(values: Iterable[bytes]) -> list[bytes]:
    """Split list-based field values into members, over all lines, empty ones ignored (RFC 9110 §5.6.1).

    Not for lists whose members may hold a comma inside a quoted string.
    """
    return [member for value in values for part in value.split(b",") if (member := part.strip(b" \t"))]


def short_list(values: list[bytes] | tuple[bytes, ...]) -> list[bytes] | tuple[bytes, ...]:
    """The values, or none where they are over `MOST_LIST_BYTES` together."""
    return values if sum(map(len, values)) <= MOST_LIST_BYTES else ()


def tokens(values: Iterable[bytes]) -> list[bytes]:
    """Return the members that are tokens, in lower case. `"X-Foo"` and `X-Foo;q=1` are no tokens: they name nothing."""
    return [member.lower() for member in members(values) if TOKEN.fullmatch(member)]


def protocols(values: list[bytes] | tuple[bytes, ...]) -> list[bytes]:
    """Return the protocols of an `Upgrade` field, in lower case: a name, and perhaps a version (RFC 9110 §7.8). One of
    more than a kilobyte is not read, as if it was not there."""
    return [member.lower() for member in members(short_list(values)) if PROTOCOL.fullmatch(member)]


#: What a head without `Connection` says there.
NO_OPTIONS: Final[frozenset[bytes]] = frozenset()


def connection_options(known: Index) -> frozenset[bytes]:
    """Every token of every `Connection` line, in lower case (RFC 9110 §7.6.1)."""
    values = known.get(b"connection")
    if values is None:
        return NO_OPTIONS
    value = values[0] if len(values) == 1 else b",".join(values)
    return _OPTIONS[value]


def has_many_options(values: list[bytes], most: int) -> bool:
    """Whether the values of `Connection` have more than so many members, empty ones included."""
    if len(values) == 1 and len(values[0]) < most:  # each member takes a byte at least
        return False
    return sum(value.count(b",") + 1 for value in values) > most


def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(tokens((value,)))


#: By the value of `Connection`: real traffic has a handful.
_OPTIONS: Final = Remembered(_options, 512)
