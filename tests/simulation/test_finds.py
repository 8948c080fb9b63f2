"""What seeds have found, each by itself."""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from proxy.errors import ConnectTimeout
from proxy.transport.deadlines import Deadlines
from proxy.transport.stream import CLOSE_S
from proxy.transport.tls import ClientTls
from proxy.upstream.connector import Connector
from proxy.upstream.origin import origin_of
from proxy.upstream.resolver import Resolver
from tests.simulation.beneath import simulated_kernel
from tests.simulation.dice import Dice
from tests.simulation.kernel import Network
from tests.simulation.listening import ListeningSocket
from tests.simulation.loop import SimulatedLoop
from tests.simulation.transport import Flavour

T = TypeVar("T")


class Narrow(Dice):
    """Nothing is slow, nothing fails, and every buffer is as small as can be."""

    def random(self) -> float:
        return 0.39

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]
        return seq[0]

    def another(self) -> "Narrow":
        return self


def run(loop: SimulatedLoop, main: Coroutine[Any, Any, T]) -> T:
    asyncio.set_event_loop(loop)
    try:
        with simulated_kernel():
            return loop.run_until_complete(main)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("flavour", Flavour)
def test_a_handshake_of_which_a_service_reads_nothing_holds_no_socket_for_ever(flavour: Flavour) -> None:
    network = Network(Narrow(1), scale=100)
    loop = SimulatedLoop(network, flavour, {443: ListeningSocket(network, "service")})

    async def main() -> list[object]:
        deadlines = Deadlines(loop)
        deadlines.start()
        connector = Connector(deadlines, Resolver(loop, timeout_s=1.0), connect_s=2.0)
        with contextlib.suppress(ConnectTimeout):
            await connector.connect(origin_of("https://192.0.2.2:443", ClientTls(verify=False)))
        await asyncio.sleep(2 * CLOSE_S + 1.0)  # the first look only notes how much is untaken
        return [*loop.transports, *deadlines.streams]

    assert run(loop, main()) == []
