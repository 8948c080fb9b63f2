"""Curves of pure functions, timed one call at a time: the best of several, which noise can only raise."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.growth.fit import Curve
from proxy.http1 import writer
from proxy.http1.limits import MessageLimits
from proxy.http1.message import RequestHead
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.fast_path import parse_plain_request
from proxy.http1.parsing.h11_parser import parse_request
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.section import section
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import Forward
from proxy.policy.request_plan import plan
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from proxy.policy.stripping import strip
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.idle import IdleConnections
from proxy.upstream.origin import Candidate, Origin
from proxy.upstream.service import Service

_ENOUGH_S: Final = 0.08  # per point
_AT_LEAST: Final = 5  # calls
_LONG_S: Final = 0.001
_NO_LIMITS: Final = MessageLimits(
    request_head_bytes=1 << 24, target_bytes=1 << 24, field_count=1 << 20, trailer_bytes=1 << 24,
    chunk_extension_bytes=1 << 24, nominations=1 << 20,
)  # fmt: skip
_CLIENT: Final = ClientIdentity(b"192.0.2.1")
_SETTINGS: Final = PlanSettings(pseudonym=b"onehop-1")
_ROUTES: Final = RoutingTable([Route("default", "default")])


def cost_us(call: Callable[..., object], *arguments: object) -> float:
    """The cheapest of several calls."""
    # A long call is never without others' turns of the core. The process's own clock costs too much for short ones.
    clock = time.perf_counter
    if min(_took(clock, call, arguments) for _ in range(_AT_LEAST)) > _LONG_S:
        clock = time.process_time
    best, ends_at = float("inf"), time.perf_counter() + _ENOUGH_S
    calls = 0
    while calls < _AT_LEAST or time.perf_counter() < ends_at:
        best = min(best, _took(clock, call, arguments))
        calls += 1
    return best * 1e6


def _took(clock: Callable[[], float], call: Callable[..., object], arguments: tuple[object, ...]) -> float:
    begun = clock()
    call(*arguments)
    return clock() - begun


def request_of(fields: int, which: int = 0) -> bytes:
    """A request head with some fields, of 512 names: more than are remembered cost four times as much, a step that would
    hide the form. No two that differ in `which` have a line in common, but Host."""
    numbers = [(number % 512, number // 512 + 10 * which) for number in range(fields - 1)]
    lines = b"".join(b"X-Field-%d: some %d of usual length\r\n" % each for each in numbers)
    return b"GET /some/path?x=1 HTTP/1.1\r\nHost: bench.example\r\n" + lines + b"\r\n"


def read_by_fast_path(raw_head: bytes) -> RequestHead:
    """The head, which must be a plain one."""
    found = parse_plain_request(raw_head, _NO_LIMITS.nominations)
    assert found is not None
    return found[0]


def forwarded(head: RequestHead) -> bytes:
    """The head as it goes upstream."""
    decided = plan(head, _CLIENT, _ROUTES, _SETTINGS, b"id")
    assert isinstance(decided, Forward)
    return writer.request_head(head.method, decided.target, decided.fields)


def curves() -> Iterator[Curve]:
    """All of them."""
    yield from _fields()
    yield from _routes()
    yield from _upstreams()
    yield from _arrival()


def _fields() -> Iterator[Curve]:
    heads = [(count, request_of(count)) for count in (8, 32, 128, 512, 2048)]
    limit = "`field_count` 128"
    yield Curve("read a request", "fields, all of them new", [(n, _new_lines_us(n)) for n, _ in heads], limit)
    yield Curve("h11 parser a request", "fields", [(n, cost_us(parse_request, head)) for n, head in heads], limit)
    read = [(n, read_by_fast_path(head)) for n, head in heads]
    yield Curve("plan and write a request", "fields", [(n, cost_us(forwarded, head)) for n, head in read], limit)
    values = [
        (n, b"GET / HTTP/1.1\r\nHost: h\r\nCookie: " + b"x" * n + b"\r\n\r\n") for n in (1024, 4096, 16_384, 65_536)
    ]
    points = [(n, cost_us(_read_and_forwarded, head)) for n, head in values]
    yield Curve("read and write a request", "bytes of one field", points, "`request_head_bytes` 32 KiB")
    points = [(n, _nominations_us(n)) for n in (1, 4, 16, 64, 256, 1024)]
    yield Curve("read and strip a request", "nominations", points, "`nominations` 256")


def _read_and_forwarded(raw_head: bytes) -> bytes:
    return forwarded(read_by_fast_path(raw_head))


def _new_lines_us(fields: int) -> float:
    # More lines than are remembered, in turn: each is read as if it were the first of its kind.
    heads = itertools.cycle([request_of(fields, which) for which in range(3000 // fields + 2)])
    return cost_us(lambda: read_by_fast_path(next(heads)))


def _nominations_us(count: int) -> float:
    # More heads than the caches of options hold, in turn: each is a miss.
    heads = itertools.cycle(
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: "
        + b", ".join(b"X-%d-%d" % (head, n) for n in range(count))
        + b"\r\n\r\n"
        for head in range(600)
    )

    def one() -> None:
        head = read_by_fast_path(next(heads))
        strip(head.fields, head.options)

    for _ in range(600):
        one()
    return cost_us(one)


def _routes() -> Iterator[Curve]:
    counts = (1, 10, 100, 1000)
    for grows_by, host, path, bound in (
        ("routes, by path", b"", b"/service-%04d", ""),
        ("routes, by host", b"h%04d.example", b"/", ""),
        ("routes, by wildcard", b"*.h%04d.example", b"/", ""),
        ("routes, all paths of different length", b"", b"/%0*d", "the configuration"),
    ):
        points = []
        for count in counts:
            table = RoutingTable(
                Route(str(n), "u", host % n if host else b"", _path(path, n, count)) for n in range(count)
            )
            asked = (host % (count - 1)).replace(b"*", b"a") if host else b"h"
            points.append((count, cost_us(_match_100_times, table, asked, b"/service-0000/x") / 100))
        yield Curve("match a route", grows_by, points, bound)
    head = read_by_fast_path(request_of(8)[:-2] + b"X-Tenant: t0000\r\n\r\n")
    points = []
    for count in counts:
        table = RoutingTable(Route(str(n), "u", headers=((b"x-tenant", b"t%04d" % n),)) for n in range(count))
        points.append((count, cost_us(_match_head_100_times, table, head) / 100))
    yield Curve("match a route", "routes of one path, by a field's value", points)
    yield Curve(
        "match a route", "kinds of conditions of one path",
        [(n, cost_us(_kinds(n).match, b"h", b"/", head)) for n in (1, 10, 100, 1000)],
    )  # fmt: skip
    table = RoutingTable(Route(str(n), "u", b"*.h%04d.example" % n) for n in range(100))
    points = [(n, cost_us(table.match, b"a." * n + b"example", b"/")) for n in (4, 64, 1024, 4096, 16_000)]
    yield Curve("match a route, 100 wildcards", "labels in the client's Host", points, "`request_head_bytes` 32 KiB")


def _path(pattern: bytes, number: int, count: int) -> bytes:
    if b"*" in pattern:
        return pattern % (number + 1, count)
    return pattern % number if b"%" in pattern else pattern


def _kinds(count: int) -> RoutingTable:
    """Routes of one path that ask for fields of different names each."""
    return RoutingTable(Route(str(n), "u", headers=((b"x-%d" % n, b"1"),)) for n in range(count))


def _match_head_100_times(table: RoutingTable, head: RequestHead) -> None:
    for _ in range(100):
        table.match(b"h", b"/x", head)


def _match_100_times(table: RoutingTable, authority: bytes, path: bytes) -> None:
    for _ in range(100):
        table.match(authority, path)


def _upstreams() -> Iterator[Curve]:
    counts = (1, 10, 100, 1000)
    origins = {count: [Origin("127.0.0.1", port) for port in range(1, count + 1)] for count in counts}
    points = [(count, cost_us(_choose_100_times, _service(origins[count])) / 100) for count in counts]
    yield Curve("choose an origin", "origins of the upstream", points)
    points = [(count, cost_us(_service, origins[count])) for count in counts]
    yield Curve("start: build the service", "origins of the upstream", points, "once per start; the configuration")
    origin = origins[1][0]
    sizes = (1, 16, 64, 256, 1024)
    points = [(size, cost_us(_lease_100_times, _idle(origin, size), origin) / 100) for size in sizes]
    yield Curve("lease an upstream connection and give it back", "idle ones of that origin", points)
    points = [(size, cost_us(_forget_all, origin, size)) for size in sizes]
    yield Curve(
        "an origin closes all its idle connections", "idle ones of that origin", points, "`idle_per_origin` 256"
    )
    points = [(size, cost_us(_idle(origin, size).expire, 1.0)) for size in sizes]
    yield Curve("one sweep of the pool", "idle upstream connections", points, "four times a second")


class _Request:
    """What balancing policies look at, as the exchange has it."""

    head = RequestHead(b"GET", b"/", b"1.1", *section([]))
    client_address = "127.0.0.1"


_REQUEST = _Request()


def _service(origins: list[Origin]) -> Service:
    return Service("default", map(Candidate, origins), RoundRobin())


def _choose_100_times(service: Service) -> None:
    for _ in range(100):
        origin = service.choose(_REQUEST)
        assert origin is not None
        service.finished(origin, 200)


def _idle(origin: Origin, size: int) -> IdleConnections[object]:
    idle: IdleConnections[object] = IdleConnections(size)
    for _ in range(size):
        idle.put(origin, object(), 0.0, 9.0)
    return idle


def _lease_100_times(idle: IdleConnections[object], origin: Origin) -> None:
    for _ in range(100):
        idle.put(origin, idle.take(origin, 1.0), 0.0, 9.0)


def _forget_all(origin: Origin, size: int) -> None:
    idle: IdleConnections[int] = IdleConnections(size)
    for number in range(size):
        idle.put(origin, number, 0.0, 9.0)
    for number in reversed(range(size)):  # the dearest order for a list that is searched from its beginning
        idle.forget(origin, number)


def _arrival() -> Iterator[Curve]:
    sizes = (256, 1024, 4096, 16_384)
    points = [
        (size, cost_us(_drip_head, b"GET / HTTP/1.1\r\nHost: h\r\nCookie: " + b"x" * size + b"\r\n\r\n"))
        for size in sizes
    ]
    yield Curve("a head, byte by byte", "its bytes", points, "`request_head_bytes` 32 KiB")
    for task, before, after, bound in (
        ("a chunk", b"%x\r\n", b"\r\n0\r\n\r\n", ""),
        ("a chunk extension", b"1;", b"\r\nx\r\n0\r\n\r\n", "`chunk_extension_bytes` 4 KiB"),
        ("a trailer section", b"0\r\nX: ", b"\r\n\r\n", "`trailer_bytes` 16 KiB"),
    ):
        points = []
        for size in sizes:
            coded = (before % size if b"%" in before else before) + b"x" * size + after
            points.append((size, cost_us(_drip_body, coded)))
        yield Curve(f"{task}, byte by byte", "its bytes", points, bound)
    counts = (10, 100, 1000, 5000)
    points = [(count, cost_us(_pipelined, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * count)) for count in counts]
    yield Curve("requests that arrive in one read", "requests", points, "one read: up to 320 KiB")
    points = [(count, cost_us(_chunked, b"1\r\nx\r\n" * count + b"0\r\n\r\n")) for count in counts]
    yield Curve("a body of small chunks in one read", "chunks", points)


def _drip_head(raw_head: bytes) -> None:
    reader = HeadParser(_NO_LIMITS, fast_path=True)
    head = None
    for byte in raw_head:
        reader.receive(bytes((byte,)))
        head = reader.request_head()
    assert head is not None


def _drip_body(coded: bytes) -> None:
    body = ChunkedBody(_NO_LIMITS, with_h11=False)
    for byte in coded:
        body.receive(bytes((byte,)))
    assert body.complete


def _pipelined(requests: bytes) -> None:
    reader = HeadParser(_NO_LIMITS, fast_path=True)
    reader.receive(requests)
    while reader.request_head() is not None:
        pass
    assert not reader.unread


def _chunked(coded: bytes) -> None:
    body, unread = ChunkedBody(_NO_LIMITS, with_h11=False), coded
    while unread:  # so much at a time as one turn of the event loop takes
        body.receive(unread)
        unread = body.left_over
    assert body.complete
