"""The conformance cases over onehop: a worker in the test's loop, with either reader.

All cases of a reader run together, a few at a time, before the first is judged: alone, each would mostly wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from proxy.cli.explain import setup_from
from proxy.config.build import listen_addresses
from proxy.config.model import Config
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.http1.fields import Fields
from proxy.policy.settings import Timeouts
from proxy.process.listeners import Listeners
from proxy.process.worker import Worker
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from tests.conformance.cases import CASES
from tests.conformance.explained import differences
from tests.conformance.lanes import Result, run_cases
from tests.conftest import LOOPS
from tests.harness.running_proxy import READERS
from tests.harness.scripted import PATIENCE_S

_LANES = 16
_PSEUDONYM = "onehop-test"
_SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "looping": {},
    "trusting": {"trusted_networks": ["127.0.0.0/8"]},
    "ruled": {},
    "upgrading": {"upgrades": ["websocket", "tcp", "SPDY/3.1"]},
    "without-via": {"via": False},
    "without-underscores": {"underscore_names": "drop"},
}


def _config(reader: str, upstream_port: int, setting: str) -> Config:
    return Config(
        listen=["127.0.0.1:0"],
        workers=1,
        reader=READERS[reader],
        access_log="off",
        timeouts=Timeouts(linger_s=0.2, drain_s=1.0, continue_s=0.5),
        upstreams={"default": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream_port}"])},
        routes={
            "default": RouteConfig(upstream="default"),
            "ruled": RouteConfig(
                upstream="default", path="/ruled", request_fields=FieldRulesConfig(put={"X-Auth-User": "a"})
            ),
        },
        **_SETTINGS[setting],
    )


@dataclass
class Run:
    """What became of the cases that were selected, by id; and every head that somebody who looks on was shown."""

    results: dict[str, Result]
    shown: set[tuple[str, ...]]

    def __getitem__(self, case_id: str) -> Result:
        return self.results[case_id]


@pytest.fixture(scope="module", params=READERS)
def results(request: pytest.FixtureRequest) -> Run:
    """Run the cases that were selected."""
    shown: set[tuple[str, ...]] = set()

    def look(record: ExchangeRecord) -> None:
        assert record.seen is not None
        for message in record.seen.messages:
            shown.add(_head(message.sent.decode("latin-1"), message.lines))

    wanted = {
        item.callspec.params["case_id"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    }
    reader = str(request.param)

    @asynccontextmanager
    async def launch(upstream_port: int, setting: str) -> AsyncIterator[int]:
        config = _config(reader, upstream_port, setting)
        sockets = Listeners().bind(listen_addresses(config), 1)[0]
        worker = Worker(config, sockets, _PSEUDONYM, observe=lambda _: None, sinks=[Sink(ended=look)])
        await worker.start()
        try:
            yield sockets[0].getsockname()[1]
        finally:
            worker.shut_down()
            async with asyncio.timeout(PATIENCE_S):
                await worker.run_until_shut_down()
            for listening in sockets:
                listening.close()

    cases = [case for case in CASES if case.id in wanted]
    with asyncio.Runner(loop_factory=LOOPS[request.config.getoption("--loop") or "asyncio"]) as runner:
        return Run(runner.run(run_cases(cases, launch, promised=True, lanes=_LANES)), shown)


def _head(start: str, lines: Fields) -> tuple[str, ...]:
    return (start, *(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in lines))


@pytest.mark.timeout(120)  # the first of a reader runs them all
@pytest.mark.parametrize("case_id", [case.id for case in CASES])
def test_conforms(results: Run, case_id: str) -> None:
    result = results[case_id]
    assert not result.faults, f"{result.case.title} ({result.case.reference}): " + "; ".join(result.faults)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case_id", [case.id for case in CASES])
def test_explain_says_what_the_upstream_was_sent(results: Run, case_id: str, request: pytest.FixtureRequest) -> None:
    result = results[case_id]
    assert result.record is not None
    config = _config(request.node.callspec.params["results"], 80, result.case.setting)
    setup = setup_from(config, "127.0.0.1")
    setup = setup._replace(settings=msgspec.structs.replace(setup.settings, pseudonym=_PSEUDONYM.encode()))
    assert differences(result.case, result.record, setup) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case_id", [case.id for case in CASES])
def test_who_looks_on_is_shown_what_was_sent(results: Run, case_id: str) -> None:
    record = results[case_id].record
    assert record is not None
    interims = [interim for message in record.responses for interim in message.interims]
    for message in (*record.requests, *record.responses, *record.interims, *interims):
        head = (message.start, *(f"{name}: {value}" for name, value in message.fields))
        assert head in results.shown or head[0] == "HTTP/1.1 100 Continue", head
