"""What is asked of every proxy. Each workload is one kind of load; the figure that stands for it is its `measure`."""

from enum import Enum
from typing import Final, NamedTuple

from benchmarks.load.service import CHUNK
from benchmarks.load.upstreams import KB_64, MB_10, SMALL
from benchmarks.load.wrk import NINETEEN_FIELDS, SEVEN_FIELDS, Wrk


class Measure(Enum):
    """The figure by which proxies are compared."""

    CPU = "CPU per request"
    LATENCY = "p99 latency"
    MEMORY = "memory per idle client connection"


class Own(NamedTuple):
    """Load by one of `clients`, with its settings."""

    kind: str
    settings: tuple[str, ...] = ()


class Workload(NamedTuple):
    """One row of the results. `counted` says what a request is, where it is not plain."""

    name: str
    load: Wrk | Own
    service: bool = False  # the purpose-made service, not nginx, is the upstream
    log: bool = False
    measure: Measure = Measure.CPU
    streams: bool = False  # events have to arrive one by one, as they are sent
    pipe: bool = False  # worth a run of the byte pipe: most of the cost is the loop's and the kernel's
    h11: bool = False  # worth a run of onehop with `reader = "h11"`: heads are what it makes dearer
    counted: str = "request"


_CLOSE: Final = (*SEVEN_FIELDS[:-1], "Connection: close")
_KEEP_ALIVE_10: Final = (*SEVEN_FIELDS[:-1], "Connection: keep-alive")
_POST: Final = (*SEVEN_FIELDS[:-1], "Content-Type: application/x-www-form-urlencoded", "Content-Length: 100")

SMALL_GET: Final = Workload("small GET", Wrk("/small", SMALL), h11=True, pipe=True)
STEADY: Final = Workload("latency at a fixed rate", Own("steady"), measure=Measure.LATENCY)

# The first is the chart's.
WORKLOADS: Final = [
    SMALL_GET,
    Workload("small GET, access log", Wrk("/small", SMALL), log=True),
    Workload("20-field GET", Wrk("/small", SMALL, NINETEEN_FIELDS)),
    Workload("small POST", Wrk("/small", SMALL, _POST, method="POST", body="x" * 100)),
    Workload("3 chunks", Wrk("/chunked/3", 3 * CHUNK), service=True),
    Workload("20 chunks", Wrk("/chunked/20", 20 * CHUNK), service=True),
    Workload("64 KB answer", Wrk("/64k", KB_64, connections=16)),
    Workload("10 MB answer", Own("download", ("/10m", str(MB_10)))),
    Workload("10 MB upload", Own("upload", ("/upload", str(MB_10))), service=True),
    Workload("a connection per request", Wrk("/small", SMALL, _CLOSE)),
    Workload("HTTP/1.0 keep-alive", Wrk("/small", SMALL, _KEEP_ALIVE_10, version="HTTP/1.0")),
    Workload("1,000 clients", Wrk("/small", SMALL, connections=1000)),
    Workload("WebSocket echo", Own("websocket"), service=True, pipe=True, counted="message there and back"),
    Workload(
        "event stream, 500 listeners",
        Own("events", ("500",)),
        service=True,
        streams=True,
        pipe=True,
        counted="event and listener",
    ),
    STEADY,
    Workload("10,000 idle connections", Own("idle", ("10000",)), measure=Measure.MEMORY),
]


class Target(NamedTuple):
    """What onehop is to cost at most: a factor of the figure of one peer, of the best of several, or a plain number."""

    workload: str
    at_most: float
    of: tuple[str, ...] = ()  # none: `at_most` is bytes
    h11: bool = False  # with `reader = "h11"`
    compiled: bool = True  # where it is; else it is the interpreted one that has to keep to it


PEERS: Final = ("nginx", "haproxy", "envoy", "caddy", "go", "aiohttp")

TARGETS: Final = [
    Target("small GET", 2.2, ("nginx",)),
    Target("small GET", 0.6, ("envoy",)),
    Target("small GET", 0.4, ("caddy",)),
    Target("small GET", 0.2, ("aiohttp",)),
    Target("small GET", 1.0, ("envoy",), compiled=False),
    Target("small GET, access log", 0.7, ("envoy",)),
    Target("64 KB answer", 1.0, ("nginx",)),
    Target("10 MB answer", 0.8, PEERS),
    Target("10 MB upload", 0.8, PEERS),
    Target("3 chunks", 0.6, ("caddy",)),
    Target("20 chunks", 0.6, ("caddy",)),
    Target("a connection per request", 0.9, ("caddy",)),
    Target("HTTP/1.0 keep-alive", 2.2, ("nginx",)),
    Target("1,000 clients", 0.7, ("envoy",)),
    Target("20-field GET", 0.7, ("envoy",)),
    Target("small POST", 0.7, ("envoy",)),
    Target("WebSocket echo", 1.0, ("nginx",)),
    Target("event stream, 500 listeners", 1.0, PEERS),
    Target("small GET", 0.7, ("aiohttp",), h11=True),
    Target("10,000 idle connections", 5 * 1024),
]
