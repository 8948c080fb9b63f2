"""Tracing: how spans get to a collector, or do not."""

import asyncio

import pytest

from proxy.telemetry import otlp
from proxy.telemetry.counters import Ledger
from proxy.telemetry.series import SPANS_DROPPED, SPANS_EXPORTED, Kind, Names
from tests.harness.collector import collector
from tests.harness.scripted import OK, ScriptedUpstream, answering, fields_of
from tests.harness.traced import asked, asking, tracing_proxy


async def test_an_endpoint_without_a_path_is_asked_at_v1_traces_and_gets_the_fields_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k1")
    async with collector() as collecting, ScriptedUpstream(answering(OK)).serving() as app:
        async with tracing_proxy(collecting, app.port) as proxy:
            await asked(proxy, asking())
        await collecting.wait_for(2)
    assert collecting.heads[0].startswith(b"POST /v1/traces HTTP/1.1\r\n")
    assert fields_of(collecting.heads[0])["api-key"] == ["k1"]


class Counts:
    """What was counted of spans."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.ledger.extend(Names(["default"], []))
        self.seat = self.ledger.seat(0)

    def spans(self) -> tuple[int, int]:
        """Exported, and dropped."""
        block = self.ledger.counted().of(Kind.INSTANCE)
        return block[SPANS_EXPORTED], block[SPANS_DROPPED]


async def test_a_collector_that_refuses_costs_no_exchange_anything_and_what_it_refuses_is_counted() -> None:
    counts = Counts()
    refused = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    async with (
        collector(refused) as collecting,
        ScriptedUpstream(answering(OK)).serving() as app,
        tracing_proxy(collecting, app.port, counts=counts.seat) as proxy,
    ):
        await asked(proxy, asking())
    assert counts.spans() == (0, 2)


async def test_a_queue_that_is_full_drops_and_counts_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "_MOST_WAITING", 4)
    monkeypatch.setattr(otlp, "_BATCH", 1)
    counts = Counts()
    requests = [asking()] * 20
    async with collector() as collecting, ScriptedUpstream(answering(*[OK] * 20)).serving() as app:
        collecting.may_answer.clear()
        async with tracing_proxy(collecting, app.port, counts=counts.seat) as proxy:
            await asked(proxy, requests[0])
            await collecting.asked()
            await asked(proxy, *requests[1:])  # all of them while the collector says nothing
            await proxy.records.wait_for(20)
            assert counts.spans()[0] == 0
            collecting.may_answer.set()
    exported, dropped = counts.spans()
    assert (exported + dropped, exported) == (40, len(collecting.spans))
    assert dropped >= 40 - 4 - 2


async def test_a_collector_that_hangs_holds_up_no_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "_BATCH", 1)
    counts = Counts()
    async with collector() as collecting, ScriptedUpstream(answering(OK)).serving() as app:
        collecting.may_answer.clear()
        async with tracing_proxy(collecting, app.port, counts=counts.seat) as proxy:
            await asked(proxy, asking())
            await collecting.asked()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 4.0  # a second for the spans, of the 8 that a shutdown has
        collecting.may_answer.set()
