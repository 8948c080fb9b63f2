"""One address of an upstream's origin: its state, and the values that describe it."""

from enum import Enum
from typing import Final, NamedTuple

import msgspec

from proxy.upstream.origin import Candidate, Origin

NEW: Final = -1.0  # since the beginning


class State(Enum):
    """Whether an address is used, and why not."""

    UP = "up"
    TRIAL = "trial"  # was ejected: gets one request at a time, until one succeeds
    EJECTED = "ejected"  # requests failed at it
    DOWN = "down"  # its health checks fail
    UNRESOLVED = "unresolved"  # the name has no address


class Use(Enum):
    """How the list of used addresses came about."""

    NORMAL = "all that are well"
    MOST_FAIL = "those that accept connections, as more fail than may be ejected"
    ALL_OUT = "all, as none is well"


class Endpoint(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One address of an origin, and what is known of it. `place` is the origin's in the configuration; without
    `address`, the connector looks the name up."""

    place: int
    address: str = ""
    state: State = State.UP
    cause: str = ""  # of the last change
    since: float = NEW  # when that was
    failures: int = 0  # of requests, in a row
    last_failure: str = ""  # of a request: its cause, and when that was
    failed_at: float = NEW
    checks_passed: int = 0  # in a row
    checks_failed: int = 0
    ejections: int = 0  # without a long time of good service in between
    until: float = 0.0  # of the last ejection
    unreachable: bool = False  # whether what failed was to connect
    returned_at: float | None = None  # since when its share grows


class Change(NamedTuple):
    """An address has another state than before."""

    origin: Origin
    state: State
    cause: str


class Usable(NamedTuple):
    """What requests may choose from; of `trials`, each is to get one request at a time."""

    candidates: list[Candidate]
    trials: frozenset[Origin]
    use: Use
