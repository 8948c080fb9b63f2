"""One configuration and the processes that serve it: a worker in every slot, and a control process where it is needed.

No process ever changes its configuration: another one means another generation.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from proxy.config.model import Config
from proxy.exchange.buckets import Buckets
from proxy.process import control
from proxy.process.channel import Channel, Kind
from proxy.process.child_process import sigterm_blocked
from proxy.process.control_process import ControlSetup, be_control
from proxy.process.heartbeat import STACK_SIGNAL, beat_s
from proxy.process.link import pair
from proxy.process.slot import Role, Seats, Slot, State, cause
from proxy.process.worker import Companion
from proxy.process.worker_process import WorkerSetup, be_worker
from proxy.telemetry.error_log import ErrorLog

_STACK_S: Final = 0.5  # for a stalled process to write down where it hangs


class Instance(NamedTuple):
    """What all generations of an instance share."""

    pseudonym: str
    companion: Companion | None
    errors: ErrorLog
    seats: Seats
    buckets: Buckets
    #: Called in a process that was just forked for this slot: closes what is only the parent's.
    close_in_child: Callable[[Slot], None]


class Generation:
    """Keeps one process in every slot."""

    def __init__(self, config: Config, sockets: list[list[socket.socket]], instance: Instance) -> None:
        self.config = config
        self._instance = instance
        self._errors = instance.errors
        self.workers = [Slot(Role.WORKER, of_worker, seat=instance.seats.take()) for of_worker in sockets]
        self.control: Slot | None = None
        if control.is_needed(config):
            self.control = Slot(Role.CONTROL, control.listening_sockets(config))
        self.slots = [*self.workers, *([self.control] if self.control is not None else [])]
        self.is_stopping = False
        self.has_served = False  # one of its workers, at least
        self.never_could = False  # no worker could ever start, and none is being started
        # What was reported of those that cannot start, until one can.
        self._start_failures: dict[Role, set[str]] = {role: set() for role in Role}
        self.watch_s = beat_s(config.timeouts.worker_stall_s)
        self._watched_at = time.monotonic()

    @property
    def is_starting(self) -> bool:
        """Whether a process is on its way that has not said how its start went."""
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
        """The times at which it has something to do, whatever its processes do."""
        for slot in self.slots:
            if slot.state is State.NONE and not self.is_stopping:
                yield slot.start_at
            elif slot.state is State.STALLED:
                yield slot.kill_at
        if self.watch_s and not self.is_stopping:
            yield now + self.watch_s

    def listen(self) -> None:
        """Take what its processes say of their start and their end."""
        for slot in self.slots:
            self._listen_to(slot)

    def maintain(self) -> None:
        """Watch its processes, start those that are missing, and let others accept in their place meanwhile."""
        self._watch()
        for slot in self.slots:
            if slot.state is State.NONE and slot.start_at <= time.monotonic() and not self.is_stopping:
                self._start(slot)
        self._place_sockets()
        self._join_links()

    def ended(self, pid: int, status: int) -> bool:
        """A child of the parent has ended; returns whether it was one of this generation."""
        slot = next((slot for slot in self.slots if slot.pid == pid), None)
        if slot is None:
            return False
        self._listen_to(slot)  # its last words
        state, stack = slot.state, slot.stack.lines()
        pause_s = slot.end()
        for other in self.workers:
            if other.adopter is slot:
                other.adopter = None
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

    def stop_workers(self, number: signal.Signals) -> None:
        """Start none any more, and send each worker a signal. The control process stays, for who asks it meanwhile."""
        self.is_stopping = True
        for slot in self.workers:
            slot.kill(number)
        if self.control is not None and self.control.channel is not None:
            self.control.channel.send(Kind.STOPPING)

    def stop_control(self, number: signal.Signals) -> None:
        """Send the control process a signal, if there is one."""
        if self.control is not None:
            self.control.kill(number)

    # -- what processes say ----------------------------------------------------------------------------------------

    def _listen_to(self, slot: Slot) -> None:
        for kind, text, _ in slot.channel.receive() if slot.channel is not None else ():
            if kind is Kind.FAILED:
                slot.reason = text.splitlines()
            elif kind is Kind.SERVING and slot.state is State.STARTING:
                slot.state = State.SERVING
                if self._start_failures[slot.role]:
                    self._start_failures[slot.role].clear()
                    self._errors.info(f"a {slot.role.value} could start again")
                if slot.role is Role.WORKER:
                    self.has_served = True

    def _report_start_failure(self, slot: Slot, reason: list[str]) -> None:
        """Say once why processes cannot start."""
        if reason[0] not in self._start_failures[slot.role]:
            self._start_failures[slot.role].add(reason[0])
            self._errors.error(f"{slot.role.value} cannot start: {reason[0]}", reason[1:])
        self.never_could = not self.has_served and all(other.state is State.NONE for other in self.workers)

    def _watch(self) -> None:
        """Find processes whose event loop does not turn; ask them where they hang, then kill them."""
        stall_s, now = self.config.timeouts.worker_stall_s, time.monotonic()
        # Time in which this process did not run, either, says nothing: a stopped group, a suspended machine.
        elapsed_s, self._watched_at = min(now - self._watched_at, 2 * self.watch_s), now
        for slot in self.slots:
            slot.look(elapsed_s)
            if slot.state is State.STALLED:
                if now >= slot.kill_at:
                    slot.kill(signal.SIGKILL)
            elif slot.state is not State.NONE and stall_s and slot.silent_s > stall_s:
                slot.state, slot.kill_at = State.STALLED, now + _STACK_S
                slot.kill(STACK_SIGNAL)
                slot.kill(signal.SIGCONT)  # one that was stopped takes no other signal

    # -- what they are given ---------------------------------------------------------------------------------------

    def _place_sockets(self) -> None:
        """Let a worker that serves accept in the place of one that does not, and only as long as it does not."""
        for slot in self.workers:
            if slot.state is State.SERVING:
                if slot.adopter is not None and slot.adopter.channel is not None:
                    slot.adopter.channel.send(Kind.GIVE_BACK, str(slot.seat))
                slot.adopter = None
            elif slot.adopter is None and self.has_served:
                serving = [other for other in self.workers if other.state is State.SERVING]
                serving.sort(key=lambda other: sum(one.adopter is other for one in self.workers))
                for other in serving:
                    if other.channel is not None and other.channel.send(Kind.ADOPT, str(slot.seat), slot.sockets):
                        slot.adopter = other
                        break

    def _join_links(self) -> None:
        """Give each worker and the control process a link, and another where one of them is another."""
        if self.control is None or self.control.channel is None:
            return
        for slot in self.workers:
            if slot.channel is not None and slot.linked_to != self.control.pid:
                try:
                    of_worker, of_control = pair()
                except OSError as exc:  # no descriptor: at the next look there may be one
                    self._errors.warning(f"no link between a worker and the control process: {exc.strerror}")
                    return
                with of_worker, of_control:
                    if slot.channel.send(Kind.LINK, "", [of_worker]) and self.control.channel.send(
                        Kind.LINK, str(slot.seat), [of_control]
                    ):
                        slot.linked_to = self.control.pid

    def _start(self, slot: Slot) -> None:
        try:
            self._fork(slot)
        except OSError as exc:  # no memory, or no process more
            slot.end()
            self._report_start_failure(slot, [f"no process more: {exc.strerror}"])

    def _fork(self, slot: Slot) -> None:
        slot.stack.clear()
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
        instance = self._instance
        if slot.role is Role.WORKER:
            setup = WorkerSetup(
                self.config, slot.sockets, instance.pseudonym, channel, slot.heartbeat, slot.seat,
                self.workers.index(slot), len(self.workers),
                instance.companion, instance.buckets,
            )  # fmt: skip
            be_worker(setup, slot.stack, lambda: instance.close_in_child(slot))
        is_stopping = self.is_stopping
        be_control(
            ControlSetup(self.config, slot.sockets, channel, slot.heartbeat, is_stopping),
            slot.stack,
            lambda: instance.close_in_child(slot),
        )
