"""The control process: health checks, name lookups and the admin listener, once per instance. Its composition root.

No request passes through it, and workers serve without it.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from time import time_ns

from proxy.config.admin_model import DEFAULT_LISTEN
from proxy.config.admin_rules import is_loopback, read_token
from proxy.config.build import candidates, endpoints, origins_by_route, parse_listen
from proxy.config.describe import routes_in_words, upstreams_in_words
from proxy.config.model import Config
from proxy.config.show import effective
from proxy.config.sources import Loaded
from proxy.config.upstream_model import UpstreamConfig
from proxy.process.link import Hub
from proxy.process.listeners import CannotListen, Listeners
from proxy.process.tally import PARENT
from proxy.telemetry.counters import Ledger
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.inspection import MARK
from proxy.transport.deadlines import Deadlines
from proxy.upstream.connector import Connector
from proxy.upstream.health.in_control import ControlHealth, Watched
from proxy.upstream.health.kept import Kept
from proxy.upstream.names import is_name
from proxy.upstream.resolver import Lookup, Resolver, system_lookup


def is_needed(config: Config) -> bool:
    """Whether a configuration needs a control process. Called in the parent, which imports none of the modules that the
    process itself needs."""
    return bool(config.admin.listen) or any(
        upstream.health_check is not None or len(upstream.listed()) > 1 or any(map(is_name, _hosts(upstream)))
        for upstream in config.upstreams.values()
    )


def _hosts(upstream: UpstreamConfig) -> list[str]:
    return [candidate.origin.host for candidate in candidates(upstream)]


def addresses(config: Config) -> list[str]:
    """Where the control process listens."""
    return [config.admin.listen] if config.admin.listen else []


def bind(config: Config, listeners: Listeners, errors: ErrorLog) -> list[socket.socket]:
    """Bind them, in the parent. Where the default address is in use, warn and go on without an admin listener: two
    instances may well run on one machine. Raises CannotListen for any other address."""
    try:
        return listeners.bind(addresses(config), 1)[0]
    except CannotListen as exc:
        if config.admin.listen != DEFAULT_LISTEN:
            raise
        errors.warning(f"no admin listener: {exc}")
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
        pseudonym: str = "",
        ledger: Ledger | None = None,
        kept: Kept | None = None,
        loaded: Loaded | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        """`loaded` says where the configuration came from."""
        self._config = config
        self._loaded = loaded
        self._sockets = sockets
        self._pseudonym = pseudonym
        self._ledger = ledger if ledger is not None else Ledger()
        self._hub = hub
        self._errors = errors
        self._ended = asyncio.Event()
        self._on_exchange: Callable[[bytes], None] | None = None
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
            kept=kept or Kept(),
        )
        #: False once the instance will stop: /readyz answers 503, so that load balancers send no more; all is served.
        self.is_ready = True

    async def start(self) -> None:
        """Begin the work."""
        self._deadlines.start()
        self._hub.on_joined = self.health.joined
        self._hub.on_writable = self.health.tell
        self._hub.on_left = self.health.left
        self._hub.on_message = self._receive
        self.health.start()

    def _receive(self, seat: int, message: bytes) -> None:
        if message[:1] == MARK:
            if self._on_exchange is not None:
                self._on_exchange(message[1:])
        else:
            self.health.receive(seat, message)

    async def run_until_ended(self) -> None:
        """Work until `end` was called."""
        async with contextlib.AsyncExitStack() as stack:
            if self._sockets:
                await stack.enter_async_context(self._admin(self._sockets[0]))
            await self._ended.wait()
        await self.health.close()
        self._deadlines.stop()

    def end(self) -> None:
        """Stop working."""
        self._ended.set()

    def _settings(self) -> list[tuple[str, str, str]]:
        """The configuration in effect, as it may be shown."""
        sources, secrets = ({}, frozenset()) if self._loaded is None else (self._loaded.sources, self._loaded.secrets)
        return effective(self._config, sources, secrets)

    @contextlib.asynccontextmanager
    async def _admin(self, listening: socket.socket) -> AsyncIterator[None]:
        """Serve the admin listener meanwhile."""
        # Here, not at the top: the parent imports this module, and workers would inherit the memory.
        from proxy.admin.expiries import Expiries
        from proxy.admin.instance import Instance
        from proxy.admin.server import AdminServer, application

        instance = Instance(
            ledger=self._ledger,
            parent=PARENT,
            pseudonym=self._pseudonym,
            is_ready=lambda: self.is_ready,
            is_replaced=self._ended.is_set,
            healthy=self.health.healthy,
            addresses=self.health.status,
            certificates=Expiries(
                (each.certificate, each.key)
                for listener in self._config.listeners.values()
                for each in listener.tls.certificates
            ),
            origins=origins_by_route(self._config),
            routes=routes_in_words(self._config),
            upstreams=upstreams_in_words(self._config),
            settings=self._settings,
        )
        admin = self._config.admin
        token = read_token(admin.token_file) if admin.token_file else ""
        exchanges = None
        if admin.inspector:
            from proxy.admin.exchanges import Exchanges

            exchanges = Exchanges(time_ns() // 1000)
            self._on_exchange = exchanges.add
        loopback = is_loopback(parse_listen(admin.listen)[0])
        app = application(instance, token, is_loopback=loopback, exchanges=exchanges)
        server = AdminServer(app, self._errors)
        serving = asyncio.create_task(server.serve(listening))
        serving.add_done_callback(lambda _: self.end())  # if it fails: else that would show only at the end
        try:
            yield
        finally:
            if exchanges is not None:
                exchanges.end()  # else uvicorn cancels the streams of open pages, and logs that as an error
            server.end()
            await serving
