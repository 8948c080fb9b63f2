"""How far an exchange has come."""

from enum import Enum
from typing import Final


class AttemptState(Enum):
    """How far the attempt under way has come."""

    CONNECTING = "connecting"
    SENDING = "sending"  # the request's body is on its way, watched by its own deadlines
    AWAITING_HEAD = "awaiting head"  # the request was sent whole: the upstream's time runs
    RESPONDING = "responding"  # the final head, or the 101, has been read
    ENDED = "ended"


#: By names of their own: read from the class, a member costs ten times as much on CPython 3.11. Declared one by one and
#: Final: all others compiled code looks up in the module.
CONNECTING: Final = AttemptState.CONNECTING
SENDING: Final = AttemptState.SENDING
AWAITING_HEAD: Final = AttemptState.AWAITING_HEAD
RESPONDING: Final = AttemptState.RESPONDING
ENDED: Final = AttemptState.ENDED


class UploadState(Enum):
    """How far a request's body has come."""

    SENDING = "sending"
    SENT = "sent"  # to its last byte
    STOPPED = "stopped"  # for good: the upstream is gone, the body failed, or it was given up


class Continue(Enum):
    """What has become of `Expect: 100-continue`."""

    NOT_EXPECTED = "not expected"
    AWAITED = "awaited"  # the client holds its body back
    SENT_BY_UPSTREAM = "sent by the upstream"
    SENT_BY_US = "sent by us"  # as the upstream was silent: its own 100, if it still comes, is not passed on
