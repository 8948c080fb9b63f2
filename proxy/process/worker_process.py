"""A worker as a child of the parent: its heartbeat, the parent's messages, the link to the control process."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from proxy.config.model import Config
from proxy.exchange.buckets import Buckets
from proxy.exchange.context import Observe
from proxy.process.channel import Channel, Kind
from proxy.process.child_process import ASKED_AGAIN, ask_again, be_child
from proxy.process.heartbeat import Heartbeat, StackFile
from proxy.process.link import Link
from proxy.process.listeners import CannotStart
from proxy.process.memory import reuse_buffers
from proxy.process.worker import Companion, Worker
from proxy.telemetry.counters import Seat
from proxy.upstream.health.kept import Kept

#: How many new objects make Python look for garbage. With its own 700, the objects of a thousand exchanges under way,
#: none of them garbage, were looked through again and again: a tenth of their CPU.
_GARBAGE_THRESHOLD: Final = 20_000


class WorkerSetup(NamedTuple):
    """What a worker process is given. `companion` runs beside it, and may change its config (the demo service does)."""

    config: Config
    sockets: list[socket.socket]
    pseudonym: str
    channel: Channel
    heartbeat: Heartbeat
    seat: int
    number: int  # among the workers of the instance, from 0
    workers: int
    companion: Companion | None
    buckets: Buckets
    counts: Seat
    kept: Kept


def be_worker(setup: WorkerSetup, stack: StackFile, close_parents_descriptors: Callable[[], None]) -> NoReturn:
    """Turn a process that was forked with SIGTERM blocked into a worker. It ends by SIGTERM, or with its parent."""
    be_child("onehop-worker", setup.channel, stack, close_parents_descriptors, lambda: _serve(setup))


async def _serve(setup: WorkerSetup) -> None:
    reuse_buffers()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    loop = asyncio.get_running_loop()
    config = setup.config
    async with contextlib.AsyncExitStack() as stack:
        observe: Observe | None = None
        if setup.companion is not None:
            config, observe = await stack.enter_async_context(setup.companion(config))
        link = Link(loop)
        stack.callback(link.close)
        counts = setup.counts if config.admin.listen else None  # nobody would read them
        try:
            worker = Worker(
                config, setup.sockets, setup.pseudonym, workers=setup.workers, number=setup.number, seat=setup.seat,
                link=link, buckets=setup.buckets, counts=counts, kept=setup.kept, observe=observe,
            )  # fmt: skip
        except OSError as exc:
            if exc.filename != config.access_log_file:
                raise
            # The rules have seen that there is such a folder, but not whether this user may write there.
            raise CannotStart(f'access_log_file = "{config.access_log_file}": {exc.strerror}') from exc
        loop.set_exception_handler(worker.report_loop_defect)
        sys.unraisablehook = worker.report_unraisable
        link.report_defect = worker.errors.defect
        loop.add_signal_handler(signal.SIGTERM, worker.shut_down)
        if config.timeouts.worker_stall_s:
            setup.heartbeat.keep_beating(loop, config.timeouts.worker_stall_s)
        parent = _Parent(setup.channel, worker, link, loop)
        await worker.start()
        setup.channel.send(Kind.SERVING)
        await worker.run_until_shut_down()
        parent.stop()


class _Parent:
    """Carries out the parent's messages."""

    def __init__(self, channel: Channel, worker: Worker, link: Link, loop: asyncio.AbstractEventLoop) -> None:
        self._channel = channel
        self._worker = worker
        self._link = link
        self._loop = loop
        loop.add_reader(channel.fileno(), self._receive)

    def stop(self) -> None:
        """Listen no more."""
        self._loop.remove_reader(self._channel.fileno())

    def _receive(self) -> None:
        for kind, text, sockets, is_cut in self._channel.receive():
            match kind:
                case Kind.ADOPT | Kind.LINK if is_cut:
                    self._is_cut(kind, text)
                case Kind.ADOPT:
                    self._worker.adopt(text, sockets)
                case Kind.GIVE_BACK:
                    self._worker.give_back(text)
                case Kind.LINK:
                    self._link.connect(sockets[0])
                case Kind.SHUT_DOWN:
                    self._worker.shut_down()
                case Kind.RETIRE:
                    self._worker.retire()
                case Kind.REOPEN_LOG:
                    self._worker.reopen_log()
                case Kind.CUT:
                    self._worker.cut()
                case _:
                    pass
        if self._channel.is_closed:  # the parent has died
            self._loop.remove_reader(self._channel.fileno())
            self._worker.shut_down()

    def _is_cut(self, kind: Kind, seat: str) -> None:
        is_link = kind is Kind.LINK
        what = "the link to the control process" if is_link else "the queue of a worker that is not there"
        self._worker.errors.warn_once_a_minute(
            f"no descriptor: {kind.value.decode()}", lambda: f"no file descriptor was free for {what}; {ASKED_AGAIN}"
        )
        ask_again(self._channel, Kind.NOT_LINKED if is_link else Kind.NOT_ADOPTED, seat)
