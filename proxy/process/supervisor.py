"""The parent process: binds the listeners, keeps N workers alive, and ends them gracefully.

It serves nothing itself and runs no event loop: it forks, waits, and passes on signals. Every worker has listening
sockets of its own (SO_REUSEPORT), so the kernel spreads connections evenly; the parent holds them all, so what waits
in the queue of a worker that crashed is served by the one that replaces it.
"""

import contextlib
import gc
import os
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, NoReturn

from proxy.config.build import parse_listen
from proxy.config.model import Config
from proxy.config.sources import Loader
from proxy.process import descriptors
from proxy.process.banner import banner
from proxy.process.cpus import granted_cpus
from proxy.process.listeners import bind, shown_address
from proxy.process.worker import Companion, run_worker
from proxy.telemetry.error_log import ATOMIC_BYTES, STDERR, ErrorLog, write_at_once

_RESTART_PAUSE_S: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # before the n-th restart in a row
_KILL_AFTER_S: Final = 5.0  # beyond `drain_s`: a worker that has not ended by then never will
_NEVER: Final = float("inf")
_STABLE_S: Final = 30.0  # a worker that lived this long did not crash at start


class _Slot:
    """The place of one worker: its sockets outlive it."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.sockets = sockets
        self.pid = 0
        self.started = 0.0
        self.crashes = 0
        self.start_at = 0.0


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
    count = config.workers or granted_cpus()
    descriptors.raise_limit()
    descriptors.require(count, sum(1 if parse_listen(listen)[0] else 2 for listen in config.listen))
    slots = [_Slot(sockets) for sockets in bind(config, count)]
    addresses = [shown_address(listening) for listening in slots[0].sockets]
    supervisor = Supervisor(loader, config, slots, companion)
    lines = banner(config, [f"http://{address}" for address in addresses], count, demo=companion is not None)
    if banner_lines is not None:
        lines += banner_lines(f"http://{addresses[0]}")
    return supervisor.run(lambda: _write_banner(lines))


class Supervisor:
    """Keeps one worker in every slot, until it is told to stop."""

    def __init__(self, loader: Loader, config: Config, slots: list[_Slot], companion: Companion | None = None) -> None:
        self._loader = loader
        self._config = config
        self._slots = slots
        self._companion = companion
        # Unique to the instance, shared by its workers: a request that comes back to any of them is a loop.
        self._pseudonym = f"{config.pseudonym}-{secrets.token_hex(4)}"
        self._errors = ErrorLog()
        self._stopping = False
        self._alive_read, self._alive_write = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        self._stop_signals = 0
        self._reload_signals = 0
        self._kill_at = _NEVER

    def run(self, announce: Callable[[], None]) -> int:
        """Serve; `announce` is called once the workers are started. Returns the exit status."""
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        # Signals only write a byte here: everything happens in the loop below, never inside a handler.
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count_stop)
        # A terminal that hangs up sends it, too: whoever serves goes on, under nohup and without.
        signal.signal(signal.SIGHUP, self._count_reload)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()  # what exists now lives as long as the workers, and shares its pages with them
        self._start_missing()
        announce()
        asked = 0
        while any(slot.pid for slot in self._slots) or not self._stopping:
            self._wait()
            self._reap()
            if self._stop_signals > asked:
                asked = self._stop_signals
                self._stop(at_once=asked > 1)
            if self._kill_at <= time.monotonic():
                self._errors.warning("worker did not exit in time; sending SIGKILL")
                self._stop(at_once=True)
            if self._reload_signals:
                self._reload_signals = 0
                self._check_configuration()
            if not self._stopping:
                self._start_missing()
        return 0

    def _count_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _count_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload_signals += 1

    def _check_configuration(self) -> None:
        """What SIGHUP does, until a running instance can take another configuration: it is read, checked, and left."""
        loaded = self._loader()
        for problem in loaded.problems:
            self._errors.error(str(problem))
        if loaded.config is None:
            self._errors.error("SIGHUP: the configuration is invalid now; serving goes on with the old one")
        else:
            self._errors.info("SIGHUP: the configuration is valid, but reload is not supported yet; restart to use it")

    def _wait(self) -> None:
        now = time.monotonic()
        pauses = [max(slot.start_at - now, 0.0) for slot in self._slots if not slot.pid and not self._stopping]
        if self._kill_at < _NEVER:
            pauses.append(max(self._kill_at - now, 0.0))
        select.select([self._wake_read], [], [], min(pauses, default=None))
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _reap(self) -> None:
        for pid, status in _ended_children():
            slot = next((slot for slot in self._slots if slot.pid == pid), None)
            if slot is None:
                continue  # as process 1 of a container, this one also inherits the children of others
            slot.pid = 0
            if self._stopping:
                continue
            lived_s = time.monotonic() - slot.started
            slot.crashes = 0 if lived_s > _STABLE_S else slot.crashes + 1
            pause_s = _RESTART_PAUSE_S[min(slot.crashes, len(_RESTART_PAUSE_S) - 1)]
            slot.start_at = time.monotonic() + pause_s
            self._errors.warning(f"worker {pid} ended ({_cause(status)}); starting another in {pause_s:g} s")

    def _start_missing(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if not slot.pid and slot.start_at <= now:
                slot.pid = self._fork(slot)
                slot.started = now

    def _fork(self, slot: _Slot) -> int:
        # A signal between the fork and the worker's own handling would meet the parent's handler there, and be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return pid
        self._be_worker(slot)

    def _be_worker(self, slot: _Slot) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal's reaches the whole group: the parent decides
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            for fd in (self._alive_write, self._wake_read, self._wake_write):
                os.close(fd)
            for other in self._slots:
                if other is not slot:
                    for listening in other.sockets:
                        listening.close()
            run_worker(self._config, slot.sockets, self._pseudonym, self._alive_read, self._companion)
            status = 0
        except BaseException as exc:
            self._errors.defect(exc, f"worker {os.getpid()}, which ends")
        finally:
            # Not sys.exit: the parent's clean-up, and buffers it had not written when it forked, are not ours.
            with contextlib.suppress(OSError):
                sys.stderr.flush()
            os._exit(status)

    def _stop(self, *, at_once: bool) -> None:
        first, self._stopping = not self._stopping, True
        self._kill_at = _NEVER if at_once else time.monotonic() + self._config.timeouts.drain_s + _KILL_AFTER_S
        for slot in self._slots:
            for listening in slot.sockets:
                listening.close()  # else the kernel goes on taking connections that nobody will serve
            if slot.pid:
                os.kill(slot.pid, signal.SIGKILL if at_once else signal.SIGTERM)
        if first:
            self._errors.info(f"stopping: finishing what is under way, for up to {self._config.timeouts.drain_s:g} s")


def _ended_children() -> Iterator[tuple[int, int]]:
    """Every child that has ended, with its wait status."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def _cause(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.WEXITSTATUS(status)}"


def _write_banner(lines: list[str]) -> None:
    for line in lines:
        write_at_once(STDERR, line.encode("utf-8", "backslashreplace")[:ATOMIC_BYTES] + b"\n")
