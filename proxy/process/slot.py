"""The place of one child process: what it is given outlives it, and the next one in its place gets the same."""

import os
import signal
import socket
import time
from enum import Enum, auto
from typing import Final

from proxy.process.channel import Channel
from proxy.process.heartbeat import STACK_SIGNAL, Heartbeat, StackFile

_RESTART_PAUSE_S: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # before the n-th restart in a row
_STACK_S: Final = 0.5  # for a stalled process to write down where it hangs
_STABLE_S: Final = 30.0  # a process that lived this long did not crash at start


class State(Enum):
    """Where a slot's process is in its life."""

    NONE = auto()  # another is started at `start_at`
    STARTING = auto()
    SERVING = auto()
    STALLED = auto()  # its event loop does not turn: it is asked where it hangs, then killed


class Role(Enum):
    """What the process in a slot does, as messages call it."""

    WORKER = "worker"
    CONTROL = "control process"


class Slot:
    """One process's place. Only its generation changes it."""

    def __init__(self, role: Role, sockets: list[socket.socket], seat: int = -1) -> None:
        """`seat` is a worker's: no other worker that lives at the same time has it."""
        self.role = role
        self.sockets = sockets
        self.seat = seat
        self.state = State.NONE
        self.pid = 0
        self.channel: Channel | None = None
        self.adopter: Slot | None = None  # whose worker accepts on these sockets meanwhile
        self.linked_to = 0  # the control process that this worker has a link to
        self.heartbeat = Heartbeat()
        self.stack = StackFile()
        self.reason: list[str] = []  # why its process failed, as the process said
        self.start_at = 0.0
        self.kill_at = 0.0  # once STALLED
        self.silent_s = 0.0  # time without a beat during which the parent itself was running
        self._beats = 0
        self._started = 0.0
        self._failures = 0  # in a row

    def begin(self, pid: int, channel: Channel) -> None:
        """A process was forked."""
        self.state, self.pid, self.channel = State.STARTING, pid, channel
        self.silent_s, self.reason, self._started = 0.0, [], time.monotonic()

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
        """Send a signal to its process, if there is one: a child that was not waited for keeps its id."""
        if self.pid:
            os.kill(self.pid, number)

    def watch(self, now: float, elapsed_s: float, stall_s: float) -> None:
        """See whether its process has beaten in the time that has passed since the last look. One that was silent for
        `stall_s` is asked where it hangs, then killed."""
        count = self.heartbeat.count
        self.silent_s = 0.0 if count != self._beats else self.silent_s + elapsed_s
        self._beats = count
        if self.state is State.STALLED:
            if now >= self.kill_at:
                self.kill(signal.SIGKILL)
        elif self.state is not State.NONE and stall_s and self.silent_s > stall_s:
            self.state, self.kill_at = State.STALLED, now + _STACK_S
            self.kill(STACK_SIGNAL)
            self.kill(signal.SIGCONT)  # one that was stopped takes no other signal


class Seats:
    """Numbers for workers, the lowest that is free: workers that live at the same time never share one."""

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
