"""The parent process: binds the listeners, keeps N workers alive, and ends them gracefully.

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
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

from proxy.config.model import Config
from proxy.config.sources import Loader
from proxy.process import descriptors
from proxy.process.banner import banner
from proxy.process.channel import Channel, Kind
from proxy.process.cpus import granted_cpus
from proxy.process.heartbeat import STACK_SIGNAL, Heartbeats, beat_s
from proxy.process.listeners import bind, shown_address
from proxy.process.slot import Slot, State, cause
from proxy.process.worker import Companion
from proxy.process.worker_process import WorkerSetup, be_worker
from proxy.telemetry.error_log import ATOMIC_BYTES, STDERR, ErrorLog, write_at_once

_KILL_AFTER_S: Final = 5.0  # beyond `drain_s`: a worker that has not ended by then never will
_STACK_S: Final = 0.5  # for a stalled worker to write down where it hangs
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
    count = config.workers or granted_cpus()
    descriptors.raise_limit()
    descriptors.require(config, count)
    slots = [Slot(index, sockets) for index, sockets in enumerate(bind(config, count))]
    addresses = [shown_address(listening) for listening in slots[0].sockets]
    supervisor = Supervisor(loader, config, slots, companion)
    room = descriptors.room(config, count)
    lines = banner(config, [f"http://{address}" for address in addresses], count, room, demo=companion is not None)
    if banner_lines is not None:
        lines += banner_lines(f"http://{addresses[0]}")
    return supervisor.run(lambda: _write_banner(lines))


class Supervisor:
    """Keeps one worker in every slot, until it is told to stop."""

    def __init__(self, loader: Loader, config: Config, slots: list[Slot], companion: Companion | None = None) -> None:
        self._loader = loader
        self._config = config
        self._slots = slots
        self._companion = companion
        # Unique to the instance, shared by its workers: a request that comes back to any of them is a loop.
        self._pseudonym = f"{config.pseudonym}-{secrets.token_hex(4)}"
        self._heartbeats = Heartbeats(len(slots))
        self._errors = ErrorLog()
        self._start_failures: set[str] = set()  # what was reported of workers that cannot start, until one can
        self._has_served = False
        self._stopping = False
        self._status = 0
        self._wake_read, self._wake_write = os.pipe()
        self._stop_signals = 0
        self._reload_signals = 0
        self._kill_at = _NEVER
        self._watch_s = beat_s(config.timeouts.worker_stall_s)
        self._watched_at = time.monotonic()

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
        self._start_missing()
        asked, announced = 0, False
        while any(slot.pid for slot in self._slots) or not self._stopping:
            self._wait()
            for slot in self._slots:
                self._listen_to(slot)
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
                self._watch()
                self._start_missing()
                self._place_sockets()
                if not announced and self._has_served and not any(s.state is State.STARTING for s in self._slots):
                    announced = True
                    announce()
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
        """Wait for a signal, a worker's message, or the next thing that is due."""
        now = time.monotonic()
        due = [self._kill_at]
        if not self._stopping:
            due += [slot.start_at for slot in self._slots if slot.state is State.NONE]
            due += [slot.kill_at for slot in self._slots if slot.state is State.STALLED]
            due += [now + self._watch_s] if self._watch_s else []
        waiting = select.poll()
        waiting.register(self._wake_read, select.POLLIN)
        for slot in self._slots:
            if slot.channel is not None and not slot.channel.is_closed:
                waiting.register(slot.channel, select.POLLIN)
        next_at = min(due)
        waiting.poll(None if next_at == _NEVER else max(next_at - now, 0.0) * 1000 + 1)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _listen_to(self, slot: Slot) -> None:
        """Take what a worker says of its start and its end."""
        for kind, text, _ in slot.channel.receive() if slot.channel is not None else ():
            if kind is Kind.FAILED:
                slot.reason = text.splitlines()
            elif kind is Kind.SERVING and slot.state is State.STARTING:
                slot.state = State.SERVING
                if self._start_failures:
                    self._start_failures.clear()
                    self._errors.info("a worker could start again")
                self._has_served = True

    def _reap(self) -> None:
        for pid, status in _ended_children():
            slot = next((slot for slot in self._slots if slot.pid == pid), None)
            if slot is None:
                continue  # as process 1 of a container, this one also inherits the children of others
            self._listen_to(slot)  # its last words
            state, stack = slot.state, slot.stack.lines()
            pause_s = slot.end()
            for other in self._slots:
                if other.adopter is slot:
                    other.adopter = None
            if self._stopping:
                continue
            again = f"starting another{f' in {pause_s:g} s' if pause_s else ''}"
            if state is State.STARTING:
                self._report_start_failure(slot, slot.reason or [cause(status), *stack])
            elif state is State.STALLED:
                stall_s = self._config.timeouts.worker_stall_s
                said = f"worker {pid} did not respond for {stall_s:g} s and was killed; {again}; it hung in:"
                self._errors.error(said, stack or ["(unknown)"])
            else:
                self._errors.warning(f"worker {pid} ended ({cause(status)}); {again}", slot.reason or stack)

    def _report_start_failure(self, slot: Slot, reason: list[str]) -> None:
        """Say once why workers cannot start; give up where none ever could."""
        if reason[0] not in self._start_failures:
            self._start_failures.add(reason[0])
            self._errors.error(f"worker cannot start: {reason[0]}", reason[1:])
        if not self._has_served and all(other.state is State.NONE for other in self._slots):
            self._errors.error("no worker could start; giving up")
            self._status = 1
            self._stop(at_once=True)

    def _watch(self) -> None:
        """Find workers whose event loop does not turn; ask them where they hang, then kill them."""
        stall_s, now = self._config.timeouts.worker_stall_s, time.monotonic()
        # Time in which this process did not run, either, says nothing: a stopped group, a suspended machine.
        elapsed_s, self._watched_at = min(now - self._watched_at, 2 * self._watch_s), now
        for slot in self._slots:
            count = self._heartbeats.count(slot.index)
            slot.silent_s = 0.0 if count != slot.beats else slot.silent_s + elapsed_s
            slot.beats = count
            if slot.state is State.STALLED:
                if now >= slot.kill_at:
                    slot.kill(signal.SIGKILL)
            elif slot.state is not State.NONE and stall_s and slot.silent_s > stall_s:
                slot.state, slot.kill_at = State.STALLED, now + _STACK_S
                slot.kill(STACK_SIGNAL)
                slot.kill(signal.SIGCONT)  # one that was stopped takes no other signal

    def _place_sockets(self) -> None:
        """Let a worker that serves accept in the place of one that does not, and only as long as it does not."""
        for slot in self._slots:
            if slot.state is State.SERVING:
                if slot.adopter is not None and slot.adopter.channel is not None:
                    slot.adopter.channel.send(Kind.GIVE_BACK, str(slot.index))
                slot.adopter = None
            elif slot.adopter is None and self._has_served:
                serving = [other for other in self._slots if other.state is State.SERVING]
                serving.sort(key=lambda other: sum(one.adopter is other for one in self._slots))
                for other in serving:
                    if other.channel is not None and other.channel.send(Kind.ADOPT, str(slot.index), slot.sockets):
                        slot.adopter = other
                        break

    def _start_missing(self) -> None:
        for slot in self._slots:
            if slot.state is State.NONE and slot.start_at <= time.monotonic() and not self._stopping:
                try:
                    self._fork(slot)
                except OSError as exc:  # no memory, or no process more
                    slot.end()
                    self._report_start_failure(slot, [f"no process more: {exc.strerror}"])

    def _fork(self, slot: Slot) -> None:
        slot.stack.clear()
        ours, its = Channel.pair()
        setup = WorkerSetup(
            self._config, slot.sockets, self._pseudonym, its, self._heartbeats, slot.index, len(self._slots),
            self._companion,
        )  # fmt: skip
        beats = self._heartbeats.count(slot.index)
        # A signal between the fork and the worker's own handling would meet the parent's handler there, and be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            pid = os.fork()
            if not pid:
                slot.channel = ours
                be_worker(setup, slot.stack, lambda: self._close_in_worker(slot))
            slot.begin(pid, ours, beats)
        except OSError:
            ours.close()
            raise
        finally:
            its.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _close_in_worker(self, slot: Slot) -> None:
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)
        for other in self._slots:
            if other.channel is not None:
                other.channel.close()  # else its worker would not see the parent's end
            for listening in other.sockets if other is not slot else ():
                listening.close()

    def _stop(self, *, at_once: bool) -> None:
        first, self._stopping = not self._stopping, True
        self._kill_at = _NEVER if at_once else time.monotonic() + self._config.timeouts.drain_s + _KILL_AFTER_S
        for slot in self._slots:
            for listening in slot.sockets:
                listening.close()  # else the kernel goes on taking connections that nobody will serve
            slot.kill(signal.SIGKILL if at_once else signal.SIGTERM)
        if first and not at_once:
            self._errors.info(f"stopping: finishing what is under way, for up to {self._config.timeouts.drain_s:g} s")


def _ended_children() -> Iterator[tuple[int, int]]:
    """Every child that has ended, with its wait status."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def _write_banner(lines: list[str]) -> None:
    for line in lines:
        write_at_once(STDERR, line.encode("utf-8", "backslashreplace")[:ATOMIC_BYTES] + b"\n")
