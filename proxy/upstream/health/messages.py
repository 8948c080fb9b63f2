"""What workers and the control process tell each other of addresses. An address is named by its upstream, its origin's
place in the configuration, and itself: all processes of a generation have the same configuration."""

from collections.abc import Callable
from typing import Final

import msgspec

from proxy.upstream.health.endpoint import Endpoint


class Known(msgspec.Struct, tag="known", omit_defaults=True):
    """Everything that control has decided about an upstream's addresses."""

    upstream: str
    endpoints: list[Endpoint]
    version: int = 0  # control counts its decisions


class Failed(msgspec.Struct, tag="failed", omit_defaults=True):
    """A request met a failure at an address of which the worker did not know that it fails."""

    upstream: str
    place: int
    address: str
    cause: str
    unreachable: bool = False
    ejected: bool = False  # the worker uses it no more


class Passed(msgspec.Struct, tag="passed", omit_defaults=True):
    """A request was served by an address at which some have failed."""

    upstream: str
    place: int
    address: str


class Trying(msgspec.Struct, tag="trying", omit_defaults=True):
    """A request tries an address on trial; without `began`, it has ended, and says nothing of the address."""

    upstream: str
    place: int
    address: str
    began: bool = True


class Beat(msgspec.Struct, tag="beat", omit_defaults=True):
    """Control is alive; a worker that has not heard of this version asks for everything."""

    version: int = 0


class Missed(msgspec.Struct, tag="missed", omit_defaults=True):
    """A worker has not heard everything."""


Message = Known | Failed | Passed | Trying | Beat | Missed

BEAT_S: Final = 1.0
ALONE_AFTER_S: Final = 5.0  # a control process that says nothing for so long has gone, or hangs

encode: Callable[[Message], bytes] = msgspec.json.Encoder().encode
#: Raises msgspec.DecodeError.
decode: Callable[[bytes], Message] = msgspec.json.Decoder(Message).decode
