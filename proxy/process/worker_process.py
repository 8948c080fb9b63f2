"""What makes a process a worker: its event loop, its signals, and its channel to the parent."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from proxy.config.model import Config
from proxy.exchange.context import Observe
from proxy.process.channel import Channel, Kind
from proxy.process.heartbeat import Heartbeats, StackFile
from proxy.process.worker import Companion, Worker

_FRAMES: Final = 12  # of a traceback, the innermost ones


class WorkerSetup(NamedTuple):
    """What a worker process is given. `companion` runs beside it, and may change its config (the demo service does)."""

    config: Config
    sockets: list[socket.socket]
    pseudonym: str
    channel: Channel
    heartbeats: Heartbeats
    place: int
    workers: int  # of the instance
    companion: Companion | None


def be_worker(setup: WorkerSetup, stack: StackFile, close_parents_descriptors: Callable[[], None]) -> NoReturn:
    """Turn a process that was just forked, with SIGTERM blocked, into a worker. It ends with SIGTERM or its parent."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # A terminal's go to the whole group: the parent decides.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        close_parents_descriptors()
        stack.write_on_demand()
        with new_loop_runner() as runner:
            runner.run(_serve(setup))
        status = 0
    except BaseException as exc:
        said = traceback.format_exception_only(exc)[-1] + "".join(traceback.format_exception(exc, limit=-_FRAMES))
        setup.channel.send(Kind.FAILED, said)  # the parent says it, once for all workers
    finally:
        # Not sys.exit: the parent's clean-up, and buffers it had not written when it forked, are not ours.
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(status)


def new_loop_runner() -> asyncio.Runner:
    """A runner on uvloop where there is a wheel for it, on asyncio's own loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _serve(setup: WorkerSetup) -> None:
    loop = asyncio.get_running_loop()
    config = setup.config
    async with contextlib.AsyncExitStack() as stack:
        observe: Observe | None = None
        if setup.companion is not None:
            config, observe = await stack.enter_async_context(setup.companion(config))
        worker = Worker(config, setup.sockets, setup.pseudonym, workers=setup.workers, observe=observe)
        loop.set_exception_handler(worker.report_loop_defect)
        loop.add_signal_handler(signal.SIGTERM, worker.shut_down)
        if config.timeouts.worker_stall_s:
            setup.heartbeats.keep_beating(setup.place, loop, config.timeouts.worker_stall_s)
        parent = _Parent(setup.channel, worker, loop)
        await worker.start()
        setup.channel.send(Kind.SERVING)
        await worker.run_until_shut_down()
        parent.stop()


class _Parent:
    """What the parent tells a worker."""

    def __init__(self, channel: Channel, worker: Worker, loop: asyncio.AbstractEventLoop) -> None:
        self._channel = channel
        self._worker = worker
        self._loop = loop
        loop.add_reader(channel.fileno(), self._receive)

    def stop(self) -> None:
        """Listen no more."""
        self._loop.remove_reader(self._channel.fileno())

    def _receive(self) -> None:
        for kind, text, sockets in self._channel.receive():
            if kind is Kind.ADOPT:
                self._worker.adopt(text, sockets)
            elif kind is Kind.GIVE_BACK:
                self._worker.give_back(text)
        if self._channel.is_closed:  # the parent has died, and may have had no time to say so
            self._loop.remove_reader(self._channel.fileno())
            self._worker.shut_down()
