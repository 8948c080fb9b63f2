"""The parent process: binds the listeners, keeps the processes of a generation alive, and ends them gracefully.

It serves nothing itself and runs no event loop: it forks, waits, and passes on signals. Every worker has listening
sockets of its own (SO_REUSEPORT), so the kernel spreads connections evenly. The parent holds them all, so connections
in the queue of a worker that has ended are not lost: another worker accepts there until its successor serves.
"""

import contextlib
import os
import secrets
import select
import signal
import time
from collections.abc import Callable, Iterator
from enum import Enum, auto
from pathlib import Path
from types import FrameType
from typing import Final

from proxy.config.sources import Loaded, Loader
from proxy.exchange.buckets import Buckets
from proxy.process import commands, descriptors, systemd
from proxy.process.banner import banner
from proxy.process.commands import Commands
from proxy.process.instance import Instance
from proxy.process.listeners import Listeners, shown_address, shown_url
from proxy.process.reload import Generations
from proxy.process.slot import Seats, Slot
from proxy.process.tally import Tally
from proxy.process.worker import Companion
from proxy.telemetry.error_log import ErrorLog
from proxy.upstream.health.kept import Kept

_NEVER: Final = float("inf")
_LONGEST_WAIT_S: Final = 3600.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Phase(Enum):
    """The state of the instance."""

    SERVING = auto()
    LEAVING = auto()  # asked to stop: serves until load balancers have seen that it is not ready
    STOPPING = auto()  # finishes the exchanges under way
    CUTTING = auto()  # ends them at once


def serve(
    loader: Loader,
    *,
    file: Path | None = None,
    watches: bool = False,
    companion: Companion | None = None,
    banner_lines: Callable[[str], list[str]] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Raises InvalidConfiguration or CannotStart before anything is started. `loader` is called again at each reload.
    `file` is the configuration file, by which `onehop reload` finds this instance. `watches`: a changed file causes a
    reload. `companion` runs beside each worker, as the demo service does. `banner_lines` makes more lines for the
    banner, from the first URL.
    """
    loaded = loader()
    config = loaded.valid()
    descriptors.raise_limit()
    # Clients can connect as soon as a port is bound: a signal that somebody sends then must not end this process.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        supervisor = Supervisor(loader, loaded, file, companion, watches=watches)
    except BaseException:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        raise
    urls = supervisor.urls()
    lines = banner(config, urls, supervisor.workers, admin=supervisor.admin_url(), demo=companion is not None)
    if banner_lines is not None:
        lines += banner_lines(urls[0])
    return supervisor.run(lines)


class Supervisor:
    """Keeps an instance serving until it is told to stop. Raises CannotStart."""

    def __init__(
        self,
        loader: Loader,
        loaded: Loaded,
        file: Path | None = None,
        companion: Companion | None = None,
        *,
        watches: bool = False,
    ) -> None:
        config = loaded.valid()
        self._errors = ErrorLog(level=config.log_level, form=config.log_format)
        instance = Instance(
            secrets.token_hex(4), companion, watches, self._errors, Seats(), Buckets(), Tally(), Kept(),
            Listeners(systemd.passed_sockets()),
            Listeners(setting="admin.listen" if companion is None else "--admin HOST:PORT"),  # the demo reads no file
            self._close_in_child,
        )  # fmt: skip
        self._instance = instance
        self._generations = Generations(loader, loaded, instance)
        self._file = commands.without_surrogates(str(file.absolute())) if file is not None else ""
        self._commands = Commands(self._describe, self._generations.reload)
        self._phase = Phase.SERVING
        self._leave_at = _NEVER
        self._wake_read, self._wake_write = os.pipe()
        self._watchdog_s = systemd.watchdog_s()
        self._watchdog_at = time.monotonic() if self._watchdog_s else _NEVER
        self._stop_signals = 0
        self._reload_signals = 0
        self._reopen_signals = 0

    @property
    def workers(self) -> int:
        """How many workers it has."""
        return len(self._generations.current.workers)

    def _describe(self) -> commands.Instance:
        return commands.Instance(pid=os.getpid(), config=self._file, listen=self.listens_on())

    def listens_on(self) -> list[str]:
        """The addresses that it listens on."""
        return [shown_address(listening) for listening in self._generations.current.workers[0].sockets]

    def urls(self) -> list[str]:
        """The same addresses as URLs."""
        current = self._generations.current
        return [shown_url(current.config, listening) for listening in current.workers[0].sockets]

    def admin_url(self) -> str:
        """Where the admin listener is; empty where there is none."""
        control = self._generations.current.control
        if control is None or not control.sockets:
            return ""
        address = shown_address(control.sockets[0])
        return address if address.startswith("unix:") else f"http://{address}"

    def run(self, banner_lines: list[str]) -> int:
        """Serve; print these lines once all workers have started. Returns the exit status."""
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        # Signals only write a byte here: everything happens in the loop below, never inside a handler.
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count_stop)
        # A terminal that hangs up sends it, too: that only causes a reload.
        signal.signal(signal.SIGHUP, self._count_reload)
        signal.signal(signal.SIGUSR1, self._count_reopen)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._commands.listen()
        generations = self._generations
        generations.freeze()
        generations.maintain()
        status, asked, announced = 0, 0, False
        while self._phase in (Phase.SERVING, Phase.LEAVING) or not generations.is_empty:
            self._wait()
            for generation in generations:
                generation.listen()
            for pid, wait_status in _ended_children():
                # As process 1 of a container, this one also inherits orphans of other processes.
                any(generation.ended(pid, wait_status) for generation in generations)
            if self._phase is Phase.SERVING and generations.current.never_could:
                self._errors.error("no worker could start; giving up")
                status = 1
                self._cut()
            for _ in range(asked, self._stop_signals):
                asked += 1
                self._stop()
            if self._phase is Phase.LEAVING and self._leave_at <= time.monotonic():
                self._shut_down()
            if self._reopen_signals:
                self._reopen_signals = 0
                generations.reopen_logs()
            if self._reload_signals:
                self._reload_signals = 0
                generations.reload()
            self._commands.serve()
            generations.maintain()
            if self._phase in (Phase.STOPPING, Phase.CUTTING) and not generations.worker_is_left:
                generations.end_control()
            if not announced and generations.current.has_served and not generations.current.is_starting:
                announced = True
                self._errors.announce(banner_lines)
                systemd.notify("READY=1")
            if self._watchdog_at <= time.monotonic():
                self._watchdog_at = time.monotonic() + self._watchdog_s
                systemd.notify("WATCHDOG=1")
        for number in _SIGNALS:
            # Python takes its handlers away before it exits: one more SIGTERM then would be the exit status.
            signal.signal(number, signal.SIG_IGN)
        return status

    def _count_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _count_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload_signals += 1

    def _count_reopen(self, _number: int, _frame: FrameType | None) -> None:
        self._reopen_signals += 1

    def _wait(self) -> None:
        """Wait for a signal, a child's message, or the next thing that is due."""
        now = time.monotonic()
        waiting = select.poll()
        waiting.register(self._wake_read, select.POLLIN)
        for generation in self._generations:
            for slot in generation.slots:
                if slot.channel is not None and not slot.channel.is_closed:
                    unsent = select.POLLOUT if slot.channel.has_unsent else 0
                    waiting.register(slot.channel, select.POLLIN | unsent)
        self._commands.register(waiting)
        next_at = min([self._leave_at, self._watchdog_at, *self._generations.due(now)])
        # poll() accepts no more than 24 days, and `drain_s` may be longer.
        waiting.poll(max(min(next_at - now, _LONGEST_WAIT_S), 0.0) * 1000 + 1)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _close_in_child(self, own: Slot) -> None:
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)
        self._commands.close()
        for generation in self._generations:
            for slot in generation.slots:
                if slot.channel is not None:
                    slot.channel.close()  # else its process would not notice that the parent has ended
                if slot is not own:
                    slot.stack.close()
        for listeners in (self._instance.listeners, self._instance.control_listeners):
            listeners.close_all_but(own.sockets, remove=False)

    # -- the end ---------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """React to a signal to stop: the first lets exchanges finish, a second cuts them."""
        if self._phase is not Phase.SERVING:
            self._cut()
            return
        systemd.notify("STOPPING=1")
        delay_s = self._generations.current.config.shutdown_delay_s
        if not delay_s:
            self._shut_down()
            return
        self._phase = Phase.LEAVING
        self._leave_at = time.monotonic() + delay_s
        self._generations.say_that_the_instance_stops()
        self._errors.info(f"stopping in {delay_s:g} s: /readyz says not ready, and requests are served until then")

    def _shut_down(self) -> None:
        self._phase, self._leave_at = Phase.STOPPING, _NEVER
        drain_s = self._generations.current.config.timeouts.drain_s
        self._errors.info(f"stopping: waiting up to {drain_s:g} s for requests under way; a second signal cuts them")
        self._generations.shut_down()

    def _cut(self) -> None:
        self._phase, self._leave_at = Phase.CUTTING, _NEVER
        self._generations.cut()


def _ended_children() -> Iterator[tuple[int, int]]:
    """Every child that has ended, with its wait status."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended
