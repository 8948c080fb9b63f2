"""The place of one worker: its listening sockets outlive it, and another serves them while there is none."""

import os
import signal
import socket
import time
from enum import Enum, auto
from typing import Final

from proxy.process.channel import Channel
from proxy.process.heartbeat import StackFile

_RESTART_PAUSE_S: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # before the n-th restart in a row
_STABLE_S: Final = 30.0  # a worker that lived this long did not crash at start


class State(Enum):
    """Where a slot's worker is in its life."""

    NONE = auto()  # another is started at `start_at`
    STARTING = auto()
    SERVING = auto()
    STALLED = auto()  # its event loop does not turn: it is asked where it hangs, then killed


class Slot:
    """One worker's place. Only the supervisor changes it."""

    def __init__(self, index: int, sockets: list[socket.socket]) -> None:
        self.index = index
        self.sockets = sockets
        self.state = State.NONE
        self.pid = 0
        self.channel: Channel | None = None
        self.adopter: Slot | None = None  # whose worker accepts on these sockets meanwhile
        self.stack = StackFile()
        self.reason: list[str] = []  # why its worker failed, as the worker said
        self.start_at = 0.0
        self.kill_at = 0.0  # once STALLED
        self.beats = 0
        self.silent_s = 0.0  # time without a beat during which the parent itself was running
        self._started = 0.0
        self._failures = 0  # in a row

    def begin(self, pid: int, channel: Channel, beats: int) -> None:
        """A worker was forked."""
        self.state, self.pid, self.channel, self.beats = State.STARTING, pid, channel, beats
        self.silent_s, self.reason, self._started = 0.0, [], time.monotonic()

    def end(self) -> float:
        """Its worker has ended, or could not be forked; return the pause before the next."""
        now = time.monotonic()
        is_stable = self.state is not State.STARTING and now - self._started > _STABLE_S
        self._failures = 0 if is_stable else self._failures + 1
        pause_s = _RESTART_PAUSE_S[min(self._failures, len(_RESTART_PAUSE_S) - 1)]
        self.state, self.pid, self.start_at = State.NONE, 0, now + pause_s
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        return pause_s

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to its worker, if there is one: a child that was not waited for keeps its id."""
        if self.pid:
            os.kill(self.pid, number)


def cause(status: int) -> str:
    """How a process ended, by its wait status."""
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.WEXITSTATUS(status)}"
