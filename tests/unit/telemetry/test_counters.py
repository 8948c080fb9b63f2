"""Counts in shared memory: where each series has its place, and what outlives the process that counted."""

import ast
import os
from pathlib import Path

import pytest

import proxy
from proxy.policy.decisions import Outcome
from proxy.telemetry import series
from proxy.telemetry.counters import Counter, Ledger, Seat
from proxy.telemetry.series import ERRORS, METHODS, NO_STATUS, OTHER, STATUSES, STRIPPED, Kind, Names

NAMES = Names(["api", "web"], [("app", "a:1"), ("app", "b:1")])


def ledger(names: Names = NAMES) -> Ledger:
    made = Ledger()
    made.extend(names)
    return made


def add(seat: Seat, kind: Kind, name: tuple[str, ...], place: int, number: int) -> None:
    block = seat.counters(kind, name)
    assert block is not None
    Counter(block[place : place + 1]).add(number)


def in_child(work: "object") -> None:
    """Do something in a process that then ends without clean-up, as a killed worker does."""
    assert callable(work)
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


LABELS = [(0, NO_STATUS), (101, "101"), (200, "200"), (299, "2xx"), (418, "418"), (499, "499"), (430, "4xx"), (511, "511"),
          (599, "5xx"), (600, OTHER), (999, OTHER), (100, OTHER)]  # fmt: skip


@pytest.mark.parametrize(("status", "label"), LABELS)
def test_a_status_outside_the_fixed_set_is_counted_by_its_class(status: int, label: str) -> None:
    assert series.status_label(status) == label


def test_a_method_that_is_nobody_s_is_other() -> None:
    assert [series.method_label(method) for method in (b"GET", b"PATCH", b"get", b"BREW")] == [
        "GET",
        "PATCH",
        OTHER,
        OTHER,
    ]


def test_no_two_series_of_a_block_share_a_place() -> None:
    methods = [name.encode() for name in METHODS]
    statuses = [0, *(int(text) for text in STATUSES if text.isdigit()), 299, 399, 498, 598, 700]
    requests = [series.request_place(method, status) for method in methods for status in statuses]
    assert sorted(requests) == list(range(series.BUCKETS_START))
    attempts = [series.attempt_place(status, reused=reused) for status in statuses for reused in (False, True)]
    assert sorted(attempts) == list(range(series.COUNTERS[Kind.ORIGIN]))
    stripped = [series.stripped_place(direction, reason) for direction in range(2) for reason in range(3)]
    errors, reloads = map(series.error_place, ERRORS), map(series.reload_place, series.RELOADS)
    alone = [
        series.STARTED,
        series.LOST,
        series.REQUEST_BYTES,
        series.RESPONSE_BYTES,
        series.OPENED,
        series.WORKER_RESTARTS,
        series.WOULD_REFUSE,
        series.SPANS_EXPORTED,
        series.SPANS_DROPPED,
    ]
    handshakes = map(series.handshake_place, series.HANDSHAKES)
    assert sorted([*alone, *stripped, *errors, *reloads, *handshakes]) == list(range(series.COUNTERS[Kind.INSTANCE]))


def test_the_reasons_for_stripping_are_outcomes_of_the_rules() -> None:
    assert set(STRIPPED) <= {outcome.value for outcome in Outcome}


def code_said_by(node: ast.AST) -> ast.expr | None:
    """What follows `code=`, or `code =` in a class."""
    match node:
        case ast.keyword(arg="code", value=value):
            return value
        case (
            ast.Assign(targets=[ast.Name(id="code")], value=value)
            | ast.AnnAssign(target=ast.Name(id="code"), value=ast.expr() as value)
        ):
            return value
        case _:
            return None


def test_every_error_code_of_the_source_has_a_place() -> None:
    """Else it would be counted as `other`: add it to telemetry/series.py."""
    codes = set()
    for path in Path(proxy.__file__).parent.rglob("*.py"):
        if "demo" in path.parts or "admin" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            value = code_said_by(node)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                codes.add(value.value)
    assert {"no_route", "response_body_cut", "connect_failed"} <= codes, "they are found"
    assert codes - set(ERRORS) == set()


def test_counts_of_a_process_that_ended_are_counted_on_by_the_next_one_in_its_seat() -> None:
    counts = ledger()
    seat, other = counts.seat(0), counts.seat(1)
    place = series.request_place(b"GET", 200)
    in_child(lambda: add(seat, Kind.ROUTE, ("api",), place, 3))
    in_child(lambda: add(seat, Kind.ROUTE, ("api",), place, 4))
    in_child(lambda: add(other, Kind.ROUTE, ("api",), place, 5))
    assert counts.counted().of(Kind.ROUTE, ("api",))[place] == 12
    assert sum(counts.counted().of(Kind.ROUTE, ("web",))) == 0


def test_names_of_a_later_configuration_get_memory_and_earlier_ones_keep_theirs() -> None:
    counts = ledger()
    seat = counts.seat(0)
    add(seat, Kind.UPSTREAM, ("app",), 0, 1)
    counts.extend(Names(["api", "new"], [("app", "a:1"), ("other", "c:1")]))
    assert seat.counters(Kind.ROUTE, ("new",)) is None, "a process of before does not know it"
    assert counts.counted().of(Kind.ROUTE, ("new",)) == [0] * series.BUCKETS_END
    add(counts.seat(0), Kind.ROUTE, ("new",), 0, 2)
    add(counts.seat(1), Kind.UPSTREAM, ("app",), 0, 3)
    assert counts.counted().of(Kind.ROUTE, ("new",))[0] == 2
    assert counts.counted().of(Kind.UPSTREAM, ("app",))[0] == 4
    assert [name for (name,) in counts.names(Kind.ROUTE)] == ["", "api", "web", "new"]


def test_a_hundred_times_the_same_configuration_is_no_more_memory() -> None:
    counts = ledger()
    for _ in range(100):
        counts.extend(NAMES)
        counts.seat(0)
    assert counts.seat(0).pieces == 1


def test_gauges_are_cleared_and_what_was_under_way_is_lost_when_a_process_has_ended() -> None:
    counts = ledger()
    seat = counts.seat(0)
    gauges = seat.gauges()
    connections = seat.gauges(Kind.ORIGIN, ("app", "a:1"))
    assert gauges is not None and connections is not None
    gauges[series.CLIENTS] = connections[series.ACTIVE] = 7.0
    seat.started()[0] = 5
    add(seat, Kind.ROUTE, ("",), series.request_place(b"GET", 200), 1)
    add(seat, Kind.ROUTE, ("web",), series.request_place(b"BREW", 599), 2)
    assert seat.in_flight() == 2
    seat.vacate()
    assert (gauges[series.CLIENTS], connections[series.ACTIVE], seat.in_flight(), seat.ended()) == (0.0, 0.0, 0, 3)
    assert counts.counted().of(Kind.INSTANCE)[series.LOST] == 2
    seat.started()[0] += 4  # by the next one
    add(seat, Kind.ROUTE, ("",), series.request_place(b"GET", 200), 1)
    assert seat.in_flight() == 3
    seat.vacate()
    seat.vacate()  # twice does no harm
    assert (seat.in_flight(), counts.counted().of(Kind.INSTANCE)[series.LOST]) == (0, 5)
