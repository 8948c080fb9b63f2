"""What a client's connection is doing, and how it ends."""

from enum import Enum, auto
from typing import Final


class Phase(Enum):
    """What a client's connection is doing."""

    IDLE = auto()  # nothing of the next request has arrived
    HEAD = auto()  # a request head is arriving
    EXCHANGE = auto()
    TUNNEL = auto()  # the exchange under way has switched protocols: each side's end is passed on
    ABANDONED = auto()  # the client is gone, and the exchange under way is ending
    DELIVERING = auto()  # nothing more comes of the response, and the client is taking what there is
    ENDING = auto()


class Ending(Enum):
    """How a connection ends once nothing more is written to it."""

    CLOSE = auto()  # the client has sent all that it may
    LINGER = auto()  # it may still be sending, and would lose our answer to a reset if we just closed
    RESET = auto()  # behind a defect: what was sent may be a part of a response, and must not look whole


#: By names of their own: read from the class, a member costs ten times as much on CPython 3.11. Declared one by one and
#: Final: all others compiled code looks up in the module.
IDLE: Final = Phase.IDLE
HEAD: Final = Phase.HEAD
EXCHANGE: Final = Phase.EXCHANGE
TUNNEL: Final = Phase.TUNNEL
ABANDONED: Final = Phase.ABANDONED
DELIVERING: Final = Phase.DELIVERING
ENDING: Final = Phase.ENDING
