"""The parent process: binds the listeners, keeps the processes of a generation alive, and ends them gracefully.

It serves nothing itself and runs no event loop: it forks, waits, and passes on signals. Every worker has listening
sockets of its own (SO_REUSEPORT), so the kernel spreads connections evenly. The parent holds them all, so nothing that
waits in the queue of a worker that ended is lost: another worker accepts there until the next one serves.
"""

import contextlib
import gc
import os
import secrets
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

from proxy.config.model import Config
from proxy.config.sources import Loader
from proxy.exchange.buckets import Buckets
from proxy.process import descriptors
from proxy.process.banner import banner
from proxy.process.cpus import worker_count
from proxy.process.generation import Generation, Instance
from proxy.process.listeners import bind, shown_address
from proxy.process.slot import Seats, Slot
from proxy.process.worker import Companion
from proxy.telemetry.error_log import ATOMIC_BYTES, STDERR, ErrorLog, write_at_once

_KILL_AFTER_S: Final = 5.0  # beyond `drain_s`: a worker that has not ended by then never will
_CONTROL_END_S: Final = 1.0  # for the control process to end, once there is no worker any more
_NEVER: Final = float("inf")


def serve(
    loader: Loader,
    *,
    companion: Companion | None = None,
    banner_lines: Callable[[str], list[str]] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Raises InvalidConfiguration or CannotStart before anything is started. `loader` is asked again at SIGHUP.
    `companion` runs beside each worker, as the demo service does. `banner_lines` says more about the first address.
    """
    config = loader().valid()
    count = worker_count(config)
    descriptors.raise_limit()
    descriptors.require(config, count)
    sockets = bind(config, count)
    addresses = [shown_address(listening) for listening in sockets[0]]
    supervisor = Supervisor(loader, config, sockets, companion)
    room = descriptors.room(config, count)
    lines = banner(config, [f"http://{address}" for address in addresses], count, room, demo=companion is not None)
    if banner_lines is not None:
        lines += banner_lines(f"http://{addresses[0]}")
    return supervisor.run(lambda: _write_banner(lines))


class Supervisor:
    """Keeps a generation serving until it is told to stop."""

    def __init__(
        self,
        loader: Loader,
        config: Config,
        sockets: list[list[socket.socket]],
        companion: Companion | None = None,
    ) -> None:
        self._loader = loader
        self._errors = ErrorLog()
        # Unique to the instance, shared by its workers: a request that comes back to any of them is a loop.
        pseudonym = f"{config.pseudonym}-{secrets.token_hex(4)}"
        self._instance = Instance(pseudonym, companion, self._errors, Seats(), Buckets(), self._close_in_child)
        self._generation = Generation(config, sockets, self._instance)
        self._stopping = False
        self._status = 0
        self._wake_read, self._wake_write = os.pipe()
        self._stop_signals = 0
        self._reload_signals = 0
        self._kill_at = _NEVER

    def run(self, announce: Callable[[], None]) -> int:
        """Serve; `announce` is called once workers serve. Returns the exit status."""
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        # Signals only write a byte here: everything happens in the loop below, never inside a handler.
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count_stop)
        # A terminal that hangs up sends it, too: serving goes on, under nohup and without.
        signal.signal(signal.SIGHUP, self._count_reload)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()  # what exists now lives as long as the workers, and shares its pages with them
        generation = self._generation
        generation.maintain()
        asked, announced, control_told = 0, False, False
        while not (self._stopping and generation.is_empty):
            self._wait()
            generation.listen()
            for pid, status in _ended_children():
                generation.ended(pid, status)  # as process 1 of a container, this one also inherits others' children
            if generation.never_could and not self._stopping:
                self._errors.error("no worker could start; giving up")
                self._status = 1
                self._stop(at_once=True)
            if self._stop_signals > asked:
                asked = self._stop_signals
                self._stop(at_once=asked > 1)
            if self._kill_at <= time.monotonic():
                if generation.worker_is_left:
                    self._errors.warning("worker did not exit in time; sending SIGKILL")
                self._stop(at_once=True)
            if self._reload_signals:
                self._reload_signals = 0
                self._check_configuration()
            if not self._stopping:
                generation.maintain()
                if not announced and generation.has_served and not generation.is_starting:
                    announced = True
                    announce()
            elif not generation.worker_is_left and not control_told:
                control_told = True
                generation.stop_control(signal.SIGTERM)
                self._kill_at = time.monotonic() + _CONTROL_END_S
        return self._status

    def _count_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _count_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload_signals += 1

    def _check_configuration(self) -> None:
        """What SIGHUP does, until a running instance can take another configuration: it is read, checked, and left."""
        try:
            loaded = self._loader()
        except Exception as exc:  # a defect in reading must not end those who serve
            self._errors.defect(exc, "reading the configuration")
            return
        for problem in loaded.problems:
            self._errors.error(str(problem))
        if loaded.config is None:
            self._errors.error("SIGHUP: the configuration is invalid now; serving goes on with the old one")
        else:
            self._errors.info("SIGHUP: the configuration is valid, but reload is not supported yet; restart to use it")

    def _wait(self) -> None:
        """Wait for a signal, a child's message, or the next thing that is due."""
        now = time.monotonic()
        waiting = select.poll()
        waiting.register(self._wake_read, select.POLLIN)
        for slot in self._generation.slots:
            if slot.channel is not None and not slot.channel.is_closed:
                waiting.register(slot.channel, select.POLLIN)
        next_at = min([self._kill_at, *self._generation.due(now)])
        waiting.poll(None if next_at == _NEVER else max(next_at - now, 0.0) * 1000 + 1)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _close_in_child(self, own: Slot) -> None:
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)
        for slot in self._generation.slots:
            if slot.channel is not None:
                slot.channel.close()  # else its process would not see the parent's end
            if slot is not own:
                slot.stack.close()
                for listening in slot.sockets:
                    listening.close()

    def _stop(self, *, at_once: bool) -> None:
        first, self._stopping = not self._stopping, True
        drain_s = self._generation.config.timeouts.drain_s
        self._kill_at = _NEVER if at_once else time.monotonic() + drain_s + _KILL_AFTER_S
        for slot in self._generation.workers:
            for listening in slot.sockets:
                listening.close()  # else the kernel goes on taking connections that nobody will serve
        self._generation.stop_workers(signal.SIGKILL if at_once else signal.SIGTERM)
        if at_once:
            self._generation.stop_control(signal.SIGKILL)
        if first and not at_once:
            self._errors.info(f"stopping: finishing what is under way, for up to {drain_s:g} s")


def _ended_children() -> Iterator[tuple[int, int]]:
    """Every child that has ended, with its wait status."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def _write_banner(lines: list[str]) -> None:
    for line in lines:
        write_at_once(STDERR, line.encode("utf-8", "backslashreplace")[:ATOMIC_BYTES] + b"\n")
