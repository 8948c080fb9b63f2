"""The slot of one child process: its sockets and seat outlive it, and its successor gets the same."""

import os
import signal
import socket
import time
from enum import Enum, auto
from typing import Final

from proxy.process.channel import Channel
from proxy.process.heartbeat import STACK_SIGNAL, Heartbeat, StackFile, beat_s
from proxy.process.listeners import CannotStart

_RESTART_PAUSE_S: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # before the n-th restart in a row
_LATE_BEATS: Final = 2.5  # three looks without a beat: two may fall between two beats
_STACK_S: Final = 0.5  # for a stalled process to write down where it hangs
_STABLE_S: Final = 30.0  # a process that lived this long did not crash at start


class State(Enum):
    """The state of a slot's process."""

    NONE = auto()  # no process; one is started at `start_at`
    STARTING = auto()
    SERVING = auto()
    STALLED = auto()  # its event loop is blocked: it dumps its stack, then is killed


class Role(Enum):
    """What the process in a slot does; the value is its name in messages."""

    WORKER = "worker"
    CONTROL = "control process"


class Slot:
    """A slot for one process. Only its generation changes it."""

    def __init__(self, role: Role, sockets: list[socket.socket], seat: int = -1) -> None:
        """`seat` is the worker's, which no other living worker has; -1 for a control process."""
        self.role = role
        self.sockets = sockets
        self.seat = seat
        self.state = State.NONE
        self.pid = 0
        self.channel: Channel | None = None
        self.adopter: Slot | None = None  # the slot whose worker accepts on these sockets meanwhile
        self.linked_to = 0  # the id of the control process that this worker has a link to
        self.heartbeat = Heartbeat()
        self.stack = StackFile()
        self.reason: list[str] = []  # why its process failed, as the process said
        self.start_at = 0.0
        self.kill_at = 0.0  # once STALLED
        self.silent_s = 0.0  # without a heartbeat, while the parent itself was running
        self.is_late = False  # others accept in its place: whoever waits in its queue need not wait until it is killed
        self._beats = 0
        self._started = 0.0
        self._failures = 0  # in a row

    def begin(self, pid: int, channel: Channel) -> None:
        """A process was forked."""
        self.state, self.pid, self.channel = State.STARTING, pid, channel
        self.silent_s, self.reason, self._started = 0.0, [], time.monotonic()
        self.is_late = False

    def end(self) -> float:
        """Its process has ended, or could not be forked; return the pause before the next."""
        now = time.monotonic()
        is_stable = self.state is not State.STARTING and now - self._started > _STABLE_S
        self._failures = 0 if is_stable else self._failures + 1
        pause_s = _RESTART_PAUSE_S[min(self._failures, len(_RESTART_PAUSE_S) - 1)]
        self.state, self.pid, self.linked_to, self.start_at = State.NONE, 0, 0, now + pause_s
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        return pause_s

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to its process, if there is one. Safe: the id is not reused before the parent waits for it."""
        if self.pid:
            os.kill(self.pid, number)

    def watch(self, now: float, elapsed_s: float, stall_s: float) -> None:
        """Check the heartbeat, `elapsed_s` after the last check. A process without one for `stall_s` dumps its stack,
        then is killed."""
        count = self.heartbeat.count
        self.silent_s = 0.0 if count != self._beats else self.silent_s + elapsed_s
        self._beats = count
        self.is_late = stall_s > 0 and self.silent_s > _LATE_BEATS * beat_s(stall_s)
        if self.state is State.STALLED:
            if now >= self.kill_at:
                self.kill(signal.SIGKILL)
        elif self.state is not State.NONE and stall_s and self.silent_s > stall_s:
            self.state, self.kill_at = State.STALLED, now + _STACK_S
            self.kill(STACK_SIGNAL)
            self.kill(signal.SIGCONT)  # a stopped process receives no other signal


def slots_for(
    of_workers: list[list[socket.socket]], seats: list[int], of_control: list[socket.socket] | None
) -> list[Slot]:
    """The slots of a configuration: one for each worker, then that of the control process, if there is one. Raises
    CannotStart where there is no memory; nothing is left open then."""
    slots: list[Slot] = []
    try:
        for sockets, seat in zip(of_workers, seats, strict=True):
            slots.append(Slot(Role.WORKER, sockets, seat))
        if of_control is not None:
            slots.append(Slot(Role.CONTROL, of_control))
    except OSError as exc:
        for slot in slots:
            slot.stack.close()
        raise CannotStart(f"no memory for another process: {exc.strerror}") from exc
    return slots


class Seats:
    """Numbers for workers, the lowest free one first: workers that live at the same time never share one."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        seat = next(number for number in range(len(self._taken) + 1) if number not in self._taken)
        self._taken.add(seat)
        return seat

    def give_back(self, seat: int) -> None:
        self._taken.remove(seat)


def cause(status: int) -> str:
    """How a process ended, by its wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:  # most real-time signals have no name
            return f"killed by signal {number}"
    return f"exit status {os.WEXITSTATUS(status)}"
