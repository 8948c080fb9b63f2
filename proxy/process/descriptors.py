"""How many file descriptors a process may open, and for how many clients that is enough."""

import contextlib
import os
import resource
from typing import Final

from proxy.config.build import listen_addresses, parse_listen
from proxy.config.model import Config
from proxy.downstream.places import Room
from proxy.process.listeners import CannotStart
from proxy.transport import pipe

#: What a worker has open before it serves: standard streams, event loop, channel to the parent, link to control,
#: memory for its stack, locks of rate limits.
_AT_START: Final = 13
#: What it opens besides connections: for name lookups, the log, refusals of clients beyond the limit, Python itself.
_MEANWHILE: Final = 6
_OF_PARENT: Final = 7  # wake-up pair, locks of rate limits, a probe for each address, a file that is read
_SPARE: Final = range(2, 65)
#: Descriptors reserved for connections to upstreams: half of all, but at most this many, which is more than a worker
#: uses at once, tunnels aside.
_MOST_KEPT: Final = 4096
#: How many large bodies a worker moves within the kernel at once. With many more, the pipes of all workers would hold
#: what the kernel grants to one user (pipe(7)).
_MOST_SPLICES: Final = 64
#: One such body for so many descriptors of the limit, so that the pipes take only a small part of them.
_LIMIT_PER_SPLICE: Final = 256
_UNLIMITED: Final = 1 << 20


def raise_limit() -> None:
    """Raise the soft limit to the hard one: 1,024, which many systems set, is enough for 500 clients only."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def require(config: Config, workers: int) -> None:
    """Raise CannotStart where the limit leaves no room to serve even one client."""
    limit = _limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    of_parent = _open_now() + workers * (_addresses(config) + 2) + _OF_PARENT
    of_worker = _AT_START + _addresses(config) + _MEANWHILE + _SPARE[0] + 2
    needed = max(of_parent + 2, of_worker)
    if limit < needed:
        workers_need = "1 worker needs" if workers == 1 else f"{workers} workers need"
        raise CannotStart(
            f"too few file descriptors: the limit is {limit} (ulimit -n); {workers_need} {needed} to start, and 2 more "
            "for each client at once"
        )


def room(config: Config, workers: int) -> Room:
    """How many clients and connections a worker of this process may have, by its limit."""
    return room_within(
        _limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1]), _addresses(config), workers, config.limits.connections
    )


def room_within(limit: int, addresses: int, workers: int, most_clients: int) -> Room:
    """How many clients and connections a worker may have that may open `limit` descriptors."""
    adopted = min(addresses * (workers - 1), limit // 8)  # in the place of other workers
    left = limit - _AT_START - _MEANWHILE - addresses - adopted - _splices_within(limit) * pipe.DESCRIPTORS
    spare = min(max(left // 16, _SPARE[0]), _SPARE[-1])
    connections = max(left - spare, 2)
    by_descriptors = connections - min(connections // 2, _MOST_KEPT)
    return Room(clients=min(by_descriptors, most_clients), spare=spare, connections=connections)


def splices() -> int:
    """How many large bodies a worker may move within the kernel at once; 0 where the system has no splice(2)."""
    return _splices_within(_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _splices_within(limit: int) -> int:
    return min(limit // _LIMIT_PER_SPLICE, _MOST_SPLICES) if pipe.IS_KNOWN else 0


def describe(room: Room, most_clients: int) -> str:
    """How many clients a worker takes at once, and why."""
    if room.clients == most_clients:
        return f"up to {room.clients} clients at once per worker (limits.connections)"
    limit = _limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return (
        f"up to {room.clients} clients at once per worker: {limit} file descriptors (ulimit -n) are too few for the "
        f"{most_clients} of limits.connections"
    )


def _limit(number: int) -> int:
    return _UNLIMITED if number == resource.RLIM_INFINITY else number


def _addresses(config: Config) -> int:
    """How many sockets a worker listens on."""
    return sum(1 if parse_listen(listen)[0] else 2 for listen in listen_addresses(config))


def _open_now() -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/fd"))
    return 3
