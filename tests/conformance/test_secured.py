"""The conformance cases over a TLS listener and a service on a Unix socket, with either reader, on either loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import pytest

from proxy.config.build import listen_addresses
from proxy.config.listener_model import ListenerConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.process.listeners import Listeners
from proxy.process.worker import Worker
from tests.conformance.bridges import from_unix, to_tls
from tests.conformance.cases import CASES
from tests.conformance.lanes import run_cases
from tests.conformance.steps import Case
from tests.conformance.test_onehop import _LANES, _PSEUDONYM, _config
from tests.conftest import LOOPS
from tests.harness.listeners import listener
from tests.harness.running_proxy import READERS
from tests.harness.scripted import PATIENCE_S
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

#: What says that the scheme is http: as it is over a Unix socket, but not over TLS.
_OVER_HTTP: Final = frozenset({
    "request-nominated-x-forwarded-others", "trusted-proto-url", "trusted-proto-words", "trusted-proto-quoted",
    "trusted-empty-host", "target-not-https", "forwarded-host-proto", "forwarded-all-nominated",
})  # fmt: skip
#: A Unix socket has no reset that its reader could see; TCP has, also behind TLS.
_WITH_A_RESET: Final = frozenset({"until-close-reset-1.0", "until-close-reset-1.1"})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("over_tls", "over_unix", "cases"),
    [
        pytest.param(True, True, [c for c in CASES if c.id not in _OVER_HTTP | _WITH_A_RESET], id="both"),
        pytest.param(False, True, [c for c in CASES if c.id in _OVER_HTTP], id="unix"),
        pytest.param(True, False, [c for c in CASES if c.id in _WITH_A_RESET], id="tls"),
    ],
)
def test_every_case_holds_over_tls_and_a_unix_socket(
    over_tls: bool,
    over_unix: bool,
    cases: list[Case],
    reader: str,
    loop: str,
    authority: Authority,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if request.config.getoption("--loop") not in (None, loop):
        pytest.skip("another loop was asked for")
    public = listener(authority) if over_tls else ListenerConfig(address="127.0.0.1:0")
    counted = iter(range(1000))

    @asynccontextmanager
    async def launch(upstream_port: int, setting: str) -> AsyncIterator[int]:
        path = str(tmp_path / f"{next(counted)}.sock")
        config = msgspec.structs.replace(
            _config(reader, upstream_port, setting),
            listen=[],
            listeners={"public": public},
            upstreams={
                "default": UpstreamConfig(urls=[f"unix:{path}" if over_unix else f"http://127.0.0.1:{upstream_port}"])
            },
        )
        sockets = Listeners().bind(listen_addresses(config), 1)[0]
        worker = Worker(config, sockets, _PSEUDONYM)
        await worker.start()
        try:
            async with AsyncExitStack() as bridges:
                port = sockets[0].getsockname()[1]
                if over_unix:
                    await bridges.enter_async_context(from_unix(path, upstream_port))
                if over_tls:
                    port = await bridges.enter_async_context(to_tls(port, authority.client()))
                yield port
        finally:
            worker.shut_down()
            async with asyncio.timeout(PATIENCE_S):
                await worker.run_until_shut_down()

    assert cases
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        results = runner.run(run_cases(cases, launch, promised=True, lanes=_LANES))
    faults = {case_id: result.faults for case_id, result in results.items() if result.faults}
    assert not faults, "\n".join(f"{case_id}: {'; '.join(of)[:300]}" for case_id, of in faults.items())
