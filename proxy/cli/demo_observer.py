"""`onehop demo`: runs the demo service in the worker's process, and gives its page what the worker decided."""

import socket
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from proxy.cli.explanation import shown
from proxy.config.model import Config
from proxy.demo.service import FieldNote, Observation, start_demo_service
from proxy.exchange.context import Observe
from proxy.process.worker import Companion
from proxy.telemetry.record import ExchangeRecord

_REMEMBERED: Final = 256  # the page looks up its own request, moments later


class Observations:
    """The last requests that a worker saw, by request id."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Observation] = OrderedDict()

    def observe(self, record: ExchangeRecord) -> None:
        """Note the decisions about a request that is being forwarded."""
        assert record.seen is not None
        [request] = record.seen.messages
        notes = [FieldNote(*shown(decision)) for decision in request.decisions]
        self._seen[record.request_id] = Observation(request.received.decode("latin-1"), notes)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def lookup(self, request_id: str) -> Observation | None:
        """The observation of a request, if it is still kept."""
        return self._seen.get(request_id)


def demo_observer(listening: socket.socket) -> Companion:
    """A companion that runs the demo service on this socket in a worker's process, and observes its requests."""

    @asynccontextmanager
    async def run(config: Config) -> AsyncIterator[tuple[Config, Observe]]:
        observations = Observations()
        server = await start_demo_service(listening, observations.lookup)
        try:
            yield config, observations.observe
        finally:
            server.close()

    return run


def demo_lines(url: str) -> list[str]:
    """The banner lines of `onehop demo`: what to try."""
    return [
        "",
        "Try it:",
        f"  open {url}/ in a browser",
        f"  curl -H 'Connection: close, X-Internal' -H 'X-Internal: 1' {url}/echo",
        f"  curl -i {url}/hop",
        f"  curl -i {url}/early-hints",
        f"  curl -i --raw -H 'TE: trailers' -H 'Connection: TE' {url}/trailers",
        f"  curl -N {url}/events",
        "",
    ]
