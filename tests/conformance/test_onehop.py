"""The conformance cases over onehop: a worker in the test's loop, with either reader.

All cases of a reader run together, a few at a time, before the first is judged: alone, each would mostly wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

import pytest

from proxy.cli.explain import setup_from
from proxy.config.build import listen_addresses, plan_settings
from proxy.config.model import Config
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.settings import Timeouts
from proxy.process.listeners import Listeners
from proxy.process.worker import Worker
from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from tests.conformance.cases import CASES
from tests.conformance.explained import differences
from tests.conformance.lanes import Result, run_cases
from tests.conformance.looked_at import unlike
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
    """What became of the cases that were selected, by id; and all exchanges, by the port of the proxy that had them."""

    results: dict[str, Result]
    exchanges: dict[int, list[ExchangeRecord]]

    def __getitem__(self, case_id: str) -> Result:
        return self.results[case_id]

    def exchanges_of(self, result: Result) -> list[ExchangeRecord]:
        """Those of a case: its proxy had no other at the time."""
        later = [each.began for each in self.results.values() if each.port == result.port and each.began > result.began]
        return [each for each in self.exchanges[result.port] if result.began <= each.started < min(later, default=inf)]


@pytest.fixture(scope="module", params=READERS)
def results(request: pytest.FixtureRequest) -> Run:
    """Run the cases that were selected."""
    exchanges: dict[int, list[ExchangeRecord]] = {}
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
        port = sockets[0].getsockname()[1]
        look = Sink(ended=exchanges.setdefault(port, []).append)
        worker = Worker(config, sockets, _PSEUDONYM, observe=lambda _: None, sinks=[look])
        await worker.start()
        try:
            yield port
        finally:
            worker.shut_down()
            async with asyncio.timeout(PATIENCE_S):
                await worker.run_until_shut_down()
            for listening in sockets:
                listening.close()

    cases = [case for case in CASES if case.id in wanted]
    with asyncio.Runner(loop_factory=LOOPS[request.config.getoption("--loop") or "asyncio"]) as runner:
        return Run(runner.run(run_cases(cases, launch, promised=True, lanes=_LANES)), exchanges)


@pytest.mark.timeout(120)  # the first of a reader runs them all
@pytest.mark.parametrize("case_id", [case.id for case in CASES])
def test_conforms(results: Run, case_id: str) -> None:
    result = results[case_id]
    # What the log would say goes with it: a fault that comes once in a hundred runs is seen once.
    logged = [(each.error, each.detail, each.reused, each.attempts) for each in results.exchanges_of(result)]
    text = f"{result.case.title} ({result.case.reference}): " + "; ".join(result.faults)
    assert not result.faults, f"{text}; error, detail, reused, attempts: {logged}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case_id", [case.id for case in CASES])
def test_explain_says_what_the_upstream_was_sent(results: Run, case_id: str, request: pytest.FixtureRequest) -> None:
    result = results[case_id]
    assert result.record is not None
    config = _config(request.node.callspec.params["results"], 80, result.case.setting)
    setup = setup_from(config, "127.0.0.1")
    setup = setup._replace(settings=plan_settings(config, _PSEUDONYM.encode()))
    assert differences(result.case, result.record, setup) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case_id", [case.id for case in CASES])
def test_who_looks_on_is_shown_what_was_sent(results: Run, case_id: str) -> None:
    result = results[case_id]
    assert result.record is not None
    assert unlike(result.record, results.exchanges_of(result)) == []
