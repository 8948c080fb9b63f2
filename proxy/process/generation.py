"""One configuration and the processes that serve it: a worker in every slot, and a control process where it is needed.

A process never changes its configuration: a new configuration gets a new generation.
"""

import os
import signal
import time
from collections.abc import Iterator
from typing import Final

from proxy.config.build import listen_addresses
from proxy.config.sources import Loaded
from proxy.process import control, descriptors
from proxy.process.channel import Channel, Kind
from proxy.process.child_process import sigterm_blocked
from proxy.process.control_process import ControlSetup, be_control
from proxy.process.cpus import worker_count
from proxy.process.heartbeat import beat_s
from proxy.process.instance import Instance
from proxy.process.listeners import modes
from proxy.process.placing import join_links, offer_again, place_sockets
from proxy.process.slot import Role, Slot, State, cause, slots_for
from proxy.process.worker_process import WorkerSetup, be_worker

#: After the shutdown time-out: a worker that has not ended by then hangs. Docker sends SIGKILL after 10 s.
_KILL_AFTER_S: Final = 1.5
_CUT_S: Final = 2.0  # for a process that has to end at once: workers still log what they cut
_HAND_OVER_S: Final = 10.0  # for a control process that another one replaces: to answer what it has accepted
_NEVER: Final = float("inf")


class Generation:
    """Keeps one process in every slot, until it is told to stop. Raises CannotStart."""

    def __init__(self, number: int, loaded: Loaded, instance: Instance) -> None:
        """`loaded` is a valid configuration."""
        config = loaded.valid()
        self.number = number
        self._watched = loaded.files if instance.watches else ()
        self._loaded = loaded
        self.file_has_changed = False  # as its control process reports; it may be a false alarm
        self.config = config
        self._instance = instance
        self._errors = instance.errors
        count = worker_count(config)
        descriptors.require(config, count)
        of_workers = instance.listeners.bind(listen_addresses(config), count, modes(config))
        has_control = control.is_needed(config) or bool(self._watched)
        of_control = control.bind(config, instance.control_listeners, self._errors) if has_control else []
        seats = [instance.seats.take() for _ in of_workers]
        try:
            instance.tally.prepare(config, seats)
            self.slots = slots_for(of_workers, seats, of_control if has_control else None)
        except BaseException:  # a defect, too, must not keep them for ever
            for seat in seats:
                instance.seats.give_back(seat)
            raise
        self.workers = self.slots[: len(seats)]
        self.control = self.slots[-1] if has_control else None
        self.stopped_at = _NEVER  # when it was told to stop
        self.has_served = False  # at least one of its workers
        self.start_failure: list[str] = []  # why a process could not start, if the last attempt failed
        self.is_cut = False
        self._instance_stops = False
        self._kill_at = self._kill_control_at = _NEVER
        self._start_failures: dict[Role, set[str]] = {role: set() for role in Role}  # logged, until a process starts
        self._watch_s = beat_s(config.timeouts.worker_stall_s)
        self._watched_at = time.monotonic()

    @property
    def control_addresses(self) -> list[str]:
        """Where its control process listens."""
        return control.addresses(self.config) if control.is_needed(self.config) else []

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self.stopped_at != _NEVER

    @property
    def serves(self) -> bool:
        """Whether every process does its work."""
        return all(slot.state is State.SERVING for slot in self.slots)

    @property
    def never_could(self) -> bool:
        """Whether no worker could ever start, and none is being started."""
        return not self.has_served and bool(self.start_failure) and all(s.state is State.NONE for s in self.workers)

    @property
    def is_starting(self) -> bool:
        """Whether a process was forked that has not reported yet whether it started."""
        return any(slot.state is State.STARTING for slot in self.slots)

    @property
    def is_empty(self) -> bool:
        """Whether it has no process any more."""
        return not any(slot.pid for slot in self.slots)

    @property
    def worker_is_left(self) -> bool:
        """Whether a worker lives."""
        return any(slot.pid for slot in self.workers)

    def due(self, now: float) -> Iterator[float]:
        """The monotonic times at which it has something to do, even where no process sends anything."""
        if self.is_stopping:
            yield self._kill_at
            yield self._kill_control_at
            return
        for slot in self.slots:
            if slot.state is State.NONE:
                yield slot.start_at
            elif slot.state is State.STALLED:
                yield slot.kill_at
        if self._watch_s:
            yield now + self._watch_s

    def listen(self) -> None:
        """Read the messages of its processes; send again those that a process could not take before."""
        for slot in self.slots:
            if slot.channel is not None:
                slot.channel.flush()
            self._listen_to(slot)

    def maintain(self) -> None:
        """Check its processes, start missing ones, and let others accept in their place meanwhile. Once it is stopping,
        kill those that did not end in time."""
        now = time.monotonic()
        if self.is_stopping:
            self._kill_late(now)
            return
        self._watch(now)
        for slot in self.slots:
            if slot.state is State.NONE and slot.start_at <= now:
                self._start(slot)
        if self.has_served:
            place_sockets(self.workers)
        if self.control is not None:
            join_links(self.workers, self.control, self._errors)

    def ended(self, pid: int, status: int) -> bool:
        """Note that a child of the parent has ended; return whether it was one of this generation."""
        slot = next((slot for slot in self.slots if slot.pid == pid), None)
        if slot is None:
            return False
        self._listen_to(slot)  # its last messages
        state, stack = slot.state, slot.stack.lines()
        pause_s = slot.end()
        for other in self.workers:
            if other.adopter is slot:
                other.adopter = None
        if slot.role is Role.WORKER:
            self._instance.tally.ended(slot.seat, unasked=not self.is_stopping and state is not State.STARTING)
        if self.is_stopping:
            return True
        again = f"starting another{f' in {pause_s:g} s' if pause_s else ''}"
        if state is State.STARTING:
            self._report_start_failure(slot, slot.reason or [cause(status), *stack])
        elif state is State.STALLED:
            stall_s = self.config.timeouts.worker_stall_s
            said = f"{slot.role.value} {pid} did not respond for {stall_s:g} s and was killed; {again}; it hung in:"
            self._errors.error(said, stack or ["(unknown)"])
        else:
            said = f"{slot.role.value} {pid} ended ({cause(status)}); {again}"
            self._errors.warning(said, slot.reason or stack)
        return True

    def say_that_the_instance_stops(self) -> None:
        """Let /readyz answer 503 from now on. Nothing else changes yet."""
        self._instance_stops = True
        if self.control is not None and self.control.channel is not None:
            self.control.channel.insist(Kind.STOPPING)

    def shut_down(self) -> None:
        """Let workers finish, because the instance ends. The control process stays, to answer probes meanwhile."""
        self.say_that_the_instance_stops()
        self._stop(Kind.SHUT_DOWN, self.config.timeouts.drain_s + _KILL_AFTER_S)

    def retire(self) -> None:
        """Let all processes finish, because another generation serves now."""
        timeouts = self.config.timeouts
        self._stop(Kind.RETIRE, max(timeouts.drain_s, timeouts.tunnel_shutdown_s) + _KILL_AFTER_S)
        self.end_control(_HAND_OVER_S)

    def cut(self) -> None:
        """End all processes at once."""
        self.is_cut = True
        self._stop(Kind.CUT, _CUT_S)
        self.end_control()

    def end_control(self, within_s: float = _CUT_S) -> None:
        """End the control process, if there is one. It is killed if it has not ended within `within_s` seconds."""
        if self.control is not None:
            if self._kill_control_at == _NEVER:
                self.control.kill(signal.SIGTERM)
            self._kill_control_at = min(self._kill_control_at, time.monotonic() + within_s)

    def close(self) -> None:
        """Release its seats and descriptors, once it is empty."""
        for slot in self.slots:
            slot.stack.close()
        for slot in self.workers:
            self._instance.seats.give_back(slot.seat)

    def _stop(self, kind: Kind, within_s: float) -> None:
        now = time.monotonic()
        self.stopped_at = min(self.stopped_at, now)
        self._kill_at = min(self._kill_at, now + within_s)
        for slot in self.workers:
            if slot.channel is not None:
                slot.channel.insist(kind)

    def _kill_late(self, now: float) -> None:
        if now >= self._kill_at:
            self._kill_at = _NEVER
            for slot in self.workers:
                if slot.pid:
                    self._errors.warning(f"worker {slot.pid} did not exit in time; sending SIGKILL")
                    slot.kill(signal.SIGKILL)
        if now >= self._kill_control_at and self.control is not None:
            self._kill_control_at = _NEVER
            self.control.kill(signal.SIGKILL)

    # -- messages of processes ----------------------------------------------------------------------------------------

    def _listen_to(self, slot: Slot) -> None:
        for message in slot.channel.receive() if slot.channel is not None else ():
            kind, text = message.kind, message.text
            if kind in (Kind.NOT_ADOPTED, Kind.NOT_LINKED):
                offer_again(message, slot, self.workers)
            elif kind is Kind.CHANGED:
                self.file_has_changed = True
            elif kind is Kind.FAILED:
                slot.reason = text.splitlines()
            elif kind is Kind.SERVING and slot.state is State.STARTING:
                slot.state = State.SERVING
                self.start_failure = []
                if self._start_failures[slot.role]:
                    self._start_failures[slot.role].clear()
                    self._errors.info(f"a {slot.role.value} started again")
                if slot.role is Role.WORKER:
                    self.has_served = True

    def _report_start_failure(self, slot: Slot, reason: list[str]) -> None:
        """Log once why processes cannot start."""
        if reason[0] not in self._start_failures[slot.role]:
            self._start_failures[slot.role].add(reason[0])
            self._errors.error(f"{slot.role.value} cannot start: {reason[0]}", reason[1:])
        self.start_failure = [f"{slot.role.value} cannot start: {reason[0]}", *reason[1:]]

    def _watch(self, now: float) -> None:
        """Find processes whose event loop is blocked; let them dump their stack, then kill them."""
        # Time in which the parent did not run does not count: the whole group was stopped, or the machine suspended.
        elapsed_s, self._watched_at = min(now - self._watched_at, 2 * self._watch_s), now
        for slot in self.slots:
            slot.watch(now, elapsed_s, self.config.timeouts.worker_stall_s)

    # -- starting them -----------------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        try:
            self._fork(slot)
        except OSError as exc:  # no memory, or too many processes
            slot.end()
            self._report_start_failure(slot, [f"fork failed: {exc.strerror}"])

    def _fork(self, slot: Slot) -> None:
        slot.stack.clear()
        if slot.role is Role.WORKER:
            self._instance.tally.begins(slot.seat, self.number)
        ours, its = Channel.pair()
        try:
            with sigterm_blocked():
                pid = os.fork()
                if not pid:
                    slot.channel = ours  # closed with all that is the parent's
                    self._become(slot, its)
            slot.begin(pid, ours)
        except OSError:
            ours.close()
            raise
        finally:
            its.close()

    def _become(self, slot: Slot, channel: Channel) -> None:
        """In the child: never returns."""
        instance, name = self._instance, f"{self.config.pseudonym}-{self._instance.token}"
        if slot.role is Role.WORKER:
            setup = WorkerSetup(
                self.config, slot.sockets, name, channel, slot.heartbeat, slot.seat, self.workers.index(slot),
                len(self.workers), instance.companion, instance.buckets, instance.tally.seat(slot.seat), instance.kept,
            )  # fmt: skip
            be_worker(setup, slot.stack, lambda: instance.close_in_child(slot))
        of_control = ControlSetup(
            self._loaded, slot.sockets, name, channel, slot.heartbeat, instance.tally.ledger, instance.kept,
            self._instance_stops, self._watched,
        )  # fmt: skip
        be_control(of_control, slot.stack, lambda: instance.close_in_child(slot))
