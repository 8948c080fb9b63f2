"""The control process as a child of the parent: its heartbeat, the parent's messages, the links to workers."""

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from proxy.config.sources import Loaded
from proxy.process import watch
from proxy.process.channel import Channel, Kind
from proxy.process.child_process import ASKED_AGAIN, ask_again, be_child
from proxy.process.control import Control
from proxy.process.heartbeat import Heartbeat, StackFile
from proxy.process.link import Hub
from proxy.telemetry.counters import Ledger
from proxy.telemetry.error_log import ErrorLog
from proxy.upstream.health.kept import Kept


class ControlSetup(NamedTuple):
    """What a control process is given."""

    loaded: Loaded  # a configuration that is right
    sockets: list[socket.socket]  # of the admin listener
    pseudonym: str
    channel: Channel
    heartbeat: Heartbeat
    ledger: Ledger
    kept: Kept
    is_stopping: bool  # the instance was told to stop before this process began
    watched: tuple[Path, ...]  # files; the parent is told of changes


def be_control(setup: ControlSetup, stack: StackFile, close_parents_descriptors: Callable[[], None]) -> NoReturn:
    """Turn a process that was forked with SIGTERM blocked into a control process. It ends as a worker does."""
    be_child("onehop-control", setup.channel, stack, close_parents_descriptors, lambda: _serve(setup))


async def _serve(setup: ControlSetup) -> None:
    loop, config = asyncio.get_running_loop(), setup.loaded.valid()
    errors = ErrorLog(level=config.log_level, form=config.log_format)

    def report_loop_defect(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        defect = context.get("exception")
        if isinstance(defect, BaseException):
            errors.defect(defect, f"the control process ({context['message']})")
        else:
            errors.error(f"the control process: {context['message']}")

    loop.set_exception_handler(report_loop_defect)
    hub = Hub(loop)
    hub.report_defect = errors.defect
    control = Control(
        config, setup.sockets, hub, errors,
        pseudonym=setup.pseudonym, ledger=setup.ledger, kept=setup.kept, loaded=setup.loaded,
    )  # fmt: skip
    control.is_ready = not setup.is_stopping
    loop.add_signal_handler(signal.SIGTERM, control.end)
    if config.timeouts.worker_stall_s:
        setup.heartbeat.keep_beating(loop, config.timeouts.worker_stall_s)
    await control.start()

    def receive() -> None:
        for kind, text, sockets, is_cut in setup.channel.receive():
            if is_cut:
                errors.warn_once_a_minute(
                    "no descriptor", lambda: f"no file descriptor was free for a link to a worker; {ASKED_AGAIN}"
                )
                ask_again(setup.channel, Kind.NOT_LINKED, text)
            elif kind is Kind.LINK:
                hub.connect(int(text), sockets[0])
            elif kind is Kind.STOPPING:
                control.is_ready = False
        if setup.channel.is_closed:  # the parent has died
            loop.remove_reader(setup.channel.fileno())
            control.is_ready = False
            control.end()

    loop.add_reader(setup.channel.fileno(), receive)
    setup.channel.send(Kind.SERVING)
    watching: asyncio.Task[None] | None = None
    if setup.watched:
        watching = watch.start(setup.watched, lambda: setup.channel.send(Kind.CHANGED), errors.warning)
    await control.run_until_ended()
    if watching is not None:
        watching.cancel()
    loop.remove_reader(setup.channel.fileno())
    hub.close()
