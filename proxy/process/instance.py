"""What all generations of an instance share."""

from collections.abc import Callable
from typing import NamedTuple

from proxy.exchange.buckets import Buckets
from proxy.process.listeners import Listeners
from proxy.process.slot import Seats, Slot
from proxy.process.tally import Tally
from proxy.process.worker import Companion
from proxy.telemetry.error_log import ErrorLog
from proxy.upstream.health.kept import Kept


class Instance(NamedTuple):
    """What all generations of an instance share."""

    #: Unique to the instance, shared by its workers: a request that comes back to any of them is a loop.
    token: str
    companion: Companion | None
    #: Whether files of the configuration are watched, and a change reloads it.
    watches: bool
    errors: ErrorLog
    seats: Seats
    buckets: Buckets
    tally: Tally
    kept: Kept  # what is known of upstreams' addresses
    listeners: Listeners  # of workers
    control_listeners: Listeners
    #: Called in a process that was just forked for this slot: closes the descriptors of the parent.
    close_in_child: Callable[[Slot], None]
