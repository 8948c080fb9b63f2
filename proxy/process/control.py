"""The control process: what is done once per instance, beside the workers. The composition root of that process.

Nothing of it is on the way of a request, and no worker needs it in order to serve.
"""

import asyncio
import socket

from proxy.config.model import Config
from proxy.process.link import Hub
from proxy.telemetry.error_log import ErrorLog


def is_needed(config: Config) -> bool:
    """Whether a configuration asks for anything that a control process does. Called in the parent, which imports
    nothing of what the process itself needs."""
    return False


def listening_sockets(config: Config) -> list[socket.socket]:
    """What the control process listens on, bound by the parent. Raises CannotListen."""
    return []


class Control:
    """Serves the instance until it is told to end."""

    def __init__(self, config: Config, sockets: list[socket.socket], hub: Hub, errors: ErrorLog) -> None:
        self._config = config
        self._sockets = sockets
        self._hub = hub
        self._errors = errors
        self._ended = asyncio.Event()
        #: False once the instance is to stop: balancers are to send nothing more, though all is still served.
        self.is_ready = True

    async def start(self) -> None:
        """Begin the work."""

    async def run_until_ended(self) -> None:
        """Work until `end` was called."""
        await self._ended.wait()

    def end(self) -> None:
        """Stop working."""
        self._ended.set()
