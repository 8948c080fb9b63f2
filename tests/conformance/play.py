"""One case under way: what both ends record, and the steps that both know. Judges nothing."""

import asyncio
from dataclasses import dataclass, field

from tests.conformance.steps import Answer, Await, Case, HalfClose, Pause, Signal, Slowly, Step, w
from tests.harness.wire import Message, Wire


@dataclass
class Record:
    """What both ends of a case saw."""

    requests: list[Message] = field(default_factory=list)  # at the upstream, in order of arrival
    connections: int = 0  # at the upstream
    tunnelled: bytes = b""  # at the upstream, after a 101
    upstream_faults: list[str] = field(default_factory=list)
    responses: list[Message] = field(default_factory=list)  # at the client
    interims: list[Message] = field(default_factory=list)
    received: dict[int, list[Message]] = field(default_factory=dict)  # both, in order, by the client's connections
    tunnelled_back: bytes = b""
    surplus: bytes = b""  # at the client, where silence was expected
    ends: dict[int, str] = field(default_factory=dict)  # of the client's connections: open, closed, reset
    client_faults: list[str] = field(default_factory=list)


class Play:
    """One case under way."""

    def __init__(self, case: Case, patience_s: float) -> None:
        self.case = case
        self.patience_s = patience_s
        self.record = Record()
        self._events: dict[str, asyncio.Event] = {}
        self._answered = 0

    def next_answer(self) -> Answer:
        """The upstream's answer to the request that has just arrived."""
        answers = self.case.upstream
        answer = answers[min(self._answered, len(answers) - 1)]
        self._answered += 1
        return answer

    def event(self, name: str) -> asyncio.Event:
        """The event of a signal."""
        return self._events.setdefault(name, asyncio.Event())

    async def common(self, step: Step, wire: Wire) -> bool:
        """Take a step that both sides know; whether it was one."""
        match step:
            case str() | bytes():
                await wire.send(w(step))
            case Slowly(data):
                await wire.send(w(data), slowly=True)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Signal(name):
                self.event(name).set()
            case Await(name):
                await self.event(name).wait()
            case HalfClose():
                wire.end_writing()
            case _:
                return False
        return True
