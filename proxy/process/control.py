"""The control process: what is done once per instance, beside the workers. The composition root of that process.

Nothing of it is on the way of a request, and no worker needs it in order to serve.
"""

import asyncio
import socket

from proxy.config.build import candidates, endpoints
from proxy.config.model import Config
from proxy.config.upstream_model import UpstreamConfig
from proxy.process.link import Hub
from proxy.telemetry.error_log import ErrorLog
from proxy.transport.deadlines import Deadlines
from proxy.upstream.connector import Connector
from proxy.upstream.health.in_control import ControlHealth, Watched
from proxy.upstream.names import is_name
from proxy.upstream.resolver import Lookup, Resolver, system_lookup


def is_needed(config: Config) -> bool:
    """Whether a configuration asks for anything that a control process does. Called in the parent, which imports
    nothing of what the process itself needs."""
    return any(
        upstream.health_check is not None or len(upstream.listed()) > 1 or any(map(is_name, _hosts(upstream)))
        for upstream in config.upstreams.values()
    )


def _hosts(upstream: UpstreamConfig) -> list[str]:
    return [candidate.origin.host for candidate in candidates(upstream)]


def addresses(config: Config) -> list[str]:
    """Where the control process listens."""
    return []


class Control:
    """Serves the instance until it is told to end."""

    def __init__(
        self,
        config: Config,
        sockets: list[socket.socket],
        hub: Hub,
        errors: ErrorLog,
        *,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._hub = hub
        self._errors = errors
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(loop)
        resolver = Resolver(loop, timeout_s=config.timeouts.name_lookup_s, lookup=lookup)
        connector = Connector(self._deadlines, resolver, connect_s=config.timeouts.connect_s)
        self.health = ControlHealth(
            loop,
            {
                name: Watched(endpoints(upstream), upstream.health_check, upstream.host or "", upstream.resolve_s)
                for name, upstream in config.upstreams.items()
            },
            hub,
            errors,
            connect=connector.connect,
            lookup=resolver.addresses,
        )
        #: False once the instance is to stop: balancers are to send nothing more, though all is still served.
        self.is_ready = True

    async def start(self) -> None:
        """Begin the work."""
        self._deadlines.start()
        self._hub.on_joined = self.health.joined
        self._hub.on_message = self.health.receive
        self.health.start()

    async def run_until_ended(self) -> None:
        """Work until `end` was called."""
        await self._ended.wait()
        await self.health.close()
        self._deadlines.stop()

    def end(self) -> None:
        """Stop working."""
        self._ended.set()
