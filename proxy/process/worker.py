"""A worker: its composition root, with `services`, `inspecting` and `tracing`. Everything below gets what it needs."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from proxy.config.build import counted_names, endpoints, explaining, plan_settings, routing_table, secured_upstreams
from proxy.config.model import Config
from proxy.downstream.connection import ClientConnection
from proxy.downstream.listener import Listener
from proxy.downstream.phases import Phase
from proxy.exchange.buckets import Buckets
from proxy.exchange.context import Observe, WorkerContext
from proxy.exchange.exchange import Exchanges
from proxy.exchange.passwords import Passwords
from proxy.exchange.refuse import refuse_unread
from proxy.http1.parsing.self_test import disagreements, summary
from proxy.policy.forwarded import networks
from proxy.process import descriptors
from proxy.process.certificates import Certificates
from proxy.process.gauges import keep_gauges
from proxy.process.inspecting import inspection, look
from proxy.process.link import Link
from proxy.process.listeners import BACKLOG
from proxy.process.listening import Listening
from proxy.process.memory import Memory
from proxy.process.services import services
from proxy.process.tracing import sampling, tracing
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.counters import Seat
from proxy.telemetry.counting import Counting
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.events import Sink, join
from proxy.telemetry.http_date import HttpDate
from proxy.telemetry.ids import RequestIds
from proxy.transport.deadlines import Deadlines
from proxy.transport.tls import client_context
from proxy.upstream.connector import Connector
from proxy.upstream.health.in_worker import WorkerHealth, no_control
from proxy.upstream.health.kept import Kept
from proxy.upstream.pool import Pool
from proxy.upstream.resolver import Lookup, Resolver, system_lookup

#: Something that runs beside a worker and may change its config: the demo service does both.
Companion: TypeAlias = Callable[[Config], contextlib.AbstractAsyncContextManager[tuple[Config, Observe | None]]]

_LOG_PATIENCE_S = 1.0  # for the last lines of the log, and for the collector of spans
_LEAST_PATIENCE_S = 0.1


def _is_tunnel(client: ClientConnection) -> bool:
    return client.phase is Phase.TUNNEL


class Worker:
    """Serves clients until it is told to shut down. `link` leads to the control process, `counts` are its counters."""

    def __init__(
        self,
        config: Config,
        sockets: list[socket.socket],
        pseudonym: str,
        *,
        workers: int = 1,
        number: int = 0,
        seat: int = 0,
        link: Link | None = None,
        buckets: Buckets | None = None,
        kept: Kept | None = None,
        observe: Observe | None = None,
        sinks: Sequence[Sink] = (),
        counts: Seat | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._seat = seat
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []  # of the shutdown
        #: Heads that the fast path reads differently from h11 on this interpreter: if any, it is not used.
        self.self_test_failures = disagreements()
        self._fast_path = config.reader == "auto" and not self.self_test_failures
        self._pseudonym = pseudonym.encode("ascii")
        trusted = networks(config.trusted_networks)
        self.errors = ErrorLog(level=config.log_level, form=config.log_format)
        self._inspection = inspection(config, link)
        self._log: AccessLog | None = None
        if config.access_log != "off":
            self._log = AccessLog(
                config.access_log, self._loop, self.errors.warning,
                file=config.access_log_file, fields=config.access_log_fields,
            )  # fmt: skip
        self._counting: Counting | None = None
        if counts is not None:
            self._counting = Counting(counts, self._report_defect, drop_underscores=config.underscore_names == "drop")
        self._listening = Listening(config, sockets, self._counting.handshake if self._counting is not None else None)
        count_spans = self._counting.spans if self._counting is not None else lambda *_: None
        self._tracing = tracing(config, pseudonym, self.errors, count_spans)
        if self.self_test_failures:
            self.errors.warning(summary(self.self_test_failures))
        buffer_bytes = config.limits.connection_buffer_bytes // 2
        self.deadlines = Deadlines(self._loop, buffer_bytes=buffer_bytes, splices=descriptors.splices())
        clients = [client_context(tls) for tls in secured_upstreams(config)]
        if self._listening.contexts or clients:
            # Each worker watches the files, and one of them logs changes.
            certificates = Certificates(self._listening.contexts, clients, self.errors if number == 0 else None)
            self.deadlines.on_sweep.append(certificates.look_again)
        resolver = Resolver(self._loop, timeout_s=config.timeouts.name_lookup_s, lookup=lookup)
        connector = Connector(self.deadlines, resolver, connect_s=config.timeouts.connect_s)
        room = descriptors.room(config, workers)
        self.pool = Pool(
            config.pool,
            config.limits,
            self.deadlines,
            connector,
            idle_s=config.timeouts.upstream_idle_s,
            fast_path=self._fast_path,
            most_connections=room.connections,
        )
        self.services = services(config, self.pool, self.deadlines, workers=workers, number=number)
        self._passwords = Passwords(self._loop, self.errors.error)
        known = {name: endpoints(upstream) for name, upstream in config.upstreams.items()}
        if kept is not None:
            kept.restore(known)
        self.health = WorkerHealth(
            self._loop,
            self.services,
            known,
            {name: upstream.ejection.statuses for name, upstream in config.upstreams.items()},
            self.pool,
            connector.connect,
            connector.openings,
            self.errors,
            no_control if link is None else link.send,
        )
        self.deadlines.on_sweep.append(self.health.sweep)
        if link is not None:
            link.on_joined = self.health.control_began
            link.on_message = self.health.receive
        self._context = WorkerContext(
            loop=self._loop,
            pool=self.pool,
            routes=routing_table(config),
            services=self.services,
            timeouts=config.timeouts,
            limits=config.limits,
            replay_bytes=config.pool.replay_bytes,
            settings=plan_settings(config, self._pseudonym),
            trusted=trusted,
            next_request_id=RequestIds(None if counts is None else counts.started()).next,
            http_date=HttpDate().now,
            passwords=self._passwords,
            report_defect=self._report_defect,
            warn_x_forwarded_dropped=self._warn_x_forwarded_dropped,
            events=join([*self._own_sinks(), *sinks], self._report_defect),
            buckets=buckets,
            sampling=sampling(config),
            explaining=explaining(config),
            look=look(self._inspection, observe),
            observe=observe,
        )
        self._listener = Listener(
            self.deadlines,
            config.timeouts,
            config.limits,
            room=room,
            make_room=self.pool.make_room,
            fast_path=self._fast_path,
            half_close=config.client_half_close,
            trusted=trusted,
            run_exchange=Exchanges(self._context).run,
            refuse=partial(refuse_unread, self._context),
            on_ended=self.pool.bound.release,
            report_defect=self.errors.defect,
            warn_crowded=lambda text: self.errors.warn_once_a_minute("crowded", lambda: text),
            warn_turned_away=self._warn_turned_away,
        )
        self.memory = Memory(config.limits.memory_bytes, self.deadlines, self._listener.memory_is_full)
        if counts is not None and self._counting is not None:
            origins = counted_names(config).origins
            keep_gauges(counts, self._counting, origins, self.deadlines, self.pool, self._listener, self.services)

    def _own_sinks(self) -> Iterator[Sink]:
        if self._inspection is not None:
            yield self._inspection.sink
        if self._counting is not None:
            yield self._counting.sink
        if self._log is not None:
            yield self._log.sink
        if self._tracing is not None:
            yield self._tracing.sink

    @property
    def clients(self) -> Collection[ClientConnection]:
        """All clients that are connected."""
        return self._listener.clients

    async def start(self) -> None:
        """Begin to serve."""
        self.deadlines.start()
        for listening in self._sockets:
            listening.listen(BACKLOG)  # from now on, the kernel gives this worker connections
        self._listener.listen(self._listening.settings_of(self._sockets))

    def adopt(self, whose: str, sockets: list[socket.socket]) -> None:
        """Also accept on the sockets of a missing worker, until `give_back`."""
        self._listener.adopt(whose, self._listening.settings_of(sockets))

    def give_back(self, whose: str) -> None:
        """Stop accepting on adopted sockets: their own worker serves again."""
        self._listener.give_back(whose)

    async def run_until_shut_down(self) -> None:
        """Serve until `shut_down`, `retire` or `cut` was called, and every exchange has ended or was cut."""
        await self._listener.served()
        for timer in self._timers:
            timer.cancel()
        self._passwords.shut_down()
        self.health.close()
        self.pool.shut_down()
        self._context.stop_copies()
        await asyncio.sleep(0)  # uvloop sends at the end of a turn: the answers that were written in this one
        self.deadlines.stop()
        await asyncio.sleep(0)  # lets the loop carry out the aborts
        ends_at = self._loop.time() + _LOG_PATIENCE_S
        if self._tracing is not None:
            self._tracing.export_all()  # while the log is written: the parent kills this process 1.5 s after `drain_s`
        if self._log is not None:
            self._log.close(patience_s=_LOG_PATIENCE_S)
        if self._tracing is not None:
            await self._tracing.close(max(ends_at - self._loop.time(), _LEAST_PATIENCE_S))

    def shut_down(self) -> None:
        """Stop accepting, close idle connections, let exchanges finish within `drain_s`: the instance ends."""
        self._listener.shut_down()
        self._later(self._config.timeouts.drain_s, self._listener.cut_all)
        self._later(self._config.timeouts.tunnel_shutdown_s, lambda: self._listener.cut(_is_tunnel))

    def retire(self) -> None:
        """Stop accepting, because another generation does: only tunnels may outlast `drain_s`."""
        timeouts = self._config.timeouts
        self._listener.shut_down()
        self.pool.shut_down()  # idle connections would come on top of the other generation's
        self._later(timeouts.drain_s, lambda: self._listener.cut(lambda client: not _is_tunnel(client)))
        self._later(timeouts.tunnel_shutdown_s, lambda: self._listener.cut(_is_tunnel))
        self._later(max(timeouts.drain_s, timeouts.tunnel_shutdown_s), self._listener.cut_all)

    def cut(self) -> None:
        """End all exchanges at once; each is logged."""
        self._listener.shut_down()
        self._listener.cut_all()

    def _later(self, after_s: float, call: Callable[[], None]) -> None:
        self._timers.append(self._loop.call_later(after_s, call))

    def _warn_turned_away(self, listener: str, said: str) -> None:
        topic = f"listeners.{listener}"
        self.errors.warn_once_a_minute(topic, lambda: f"{topic}: {said}")

    def reopen_log(self) -> None:
        """Open the access log anew: its file was renamed."""
        if self._log is not None:
            self._log.reopen()

    def _warn_x_forwarded_dropped(self, peer: str) -> None:
        """Warn an operator whose gateway is not trusted: its X-Forwarded-* fields are dropped."""
        self.errors.warn_once_a_minute(
            "x-forwarded dropped",
            lambda: (
                f"X-Forwarded-* from {peer} was dropped, because it is not in trusted_networks; "
                f'if that is your gateway: trusted_networks = ["{peer}/{128 if ":" in peer else 32}"]'
            ),
        )

    def _report_defect(self, defect: BaseException, request_id: str) -> None:
        self.errors.defect(defect, f"request {request_id}")

    def report_loop_defect(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what a callback of the event loop raised and nobody caught."""
        defect = context.get("exception")
        if isinstance(defect, BaseException):
            self.errors.defect(defect, f"the event loop ({context['message']})")
        else:
            self.errors.error(f"the event loop: {context['message']}")

    def report_unraisable(self, found: "sys.UnraisableHookArgs") -> None:
        """Log what was raised where nobody can catch it: in a finalizer, or in a callback from C."""
        if isinstance(found.exc_value, UnicodeDecodeError) and isinstance(found.object, bytes):
            return  # from `ssl`, for a server name that is not ASCII: the failed handshake is logged anyway
        if found.exc_value is not None:
            self.errors.defect(found.exc_value, f"{found.err_msg or 'a place that cannot raise'}")
