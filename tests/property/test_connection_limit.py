"""Places and the queue for them against a model: origins, requests and connections come and go in any order."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.errors import LimitReached
from proxy.upstream.connection_limit import ConnectionLimit, Waiter
from proxy.upstream.origin import Origin

ORIGINS = [Origin("a", port) for port in (1, 2, 3)]
QUEUE_S = 5.0


class Clock:
    """A loop whose time the test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self._loop = asyncio.new_event_loop()
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        timer = Timer(self, when, callback)
        self.timers.append(timer)
        return timer

    def create_future(self) -> "asyncio.Future[Any]":
        return self._loop.create_future()

    def turn(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.when <= self.now]:
            timer.cancel()
            timer.callback()

    def close(self) -> None:
        self._loop.close()


class Timer(NamedTuple):
    clock: Clock
    when: float
    callback: Callable[[], None]

    def cancel(self) -> None:
        self.clock.timers.remove(self)


class Connection(NamedTuple):
    number: int
    origin: Origin


class Limits(RuleBasedStateMachine):
    """`line` are the waiters in order of arrival; `busy` and `idle` the connections, `opening` the places without."""

    @initialize(most=st.integers(1, 3), queue=st.integers(0, 4))
    def begin(self, most: int, queue: int) -> None:
        self.clock = Clock()
        self.most, self.queue = most, queue
        self.idle: list[Connection] = []
        self.busy: list[Connection] = []
        self.opening: list[Origin] = []
        self.line: list[Waiter[Connection]] = []
        self.numbers = 0
        self.limit: ConnectionLimit[Connection] = ConnectionLimit(
            most, self.clock, queue=queue, queue_s=QUEUE_S, idle=self.idle_at
        )
        self.in_use = ORIGINS[:2]
        self.limit.use(self.in_use)

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.clock.close()

    def idle_at(self, origin: Origin) -> int:
        return sum(connection.origin == origin for connection in self.idle)

    def settle(self) -> None:
        """Whoever has got something goes on with it, after who has been there longer."""
        for waiter in [waiter for waiter in self.line if waiter.future.done()]:
            self.line.remove(waiter)
            if waiter.future.exception() is not None:
                assert isinstance(waiter.future.exception(), LimitReached)
                assert waiter.deadline <= self.clock.now
                continue
            granted = waiter.future.result()
            reached = granted if isinstance(granted, Origin) else granted.origin
            assert waiter.origin in (None, reached)
            for earlier in self.line:
                if earlier.ticket < waiter.ticket:
                    assert earlier.origin not in (None, reached) or (
                        earlier.origin is None and reached not in self.in_use
                    )
            if isinstance(granted, Origin):
                self.opening.append(granted)
            else:
                self.busy.append(granted)

    @rule(origin=st.sampled_from(ORIGINS), keeps=st.booleans(), soon=st.booleans())
    def request(self, origin: Origin, keeps: bool, soon: bool) -> None:
        if not keeps:  # it goes where it need not wait, as `Service` does
            origin = next((other for other in self.in_use if not self.limit.is_full(other)), self.in_use[0])
        elif origin not in self.in_use:
            return
        found = next((connection for connection in self.idle if connection.origin == origin), None)
        if found is not None:
            self.idle.remove(found)
            self.busy.append(found)
        elif self.limit.take(origin):
            self.opening.append(origin)
        elif len(self.line) >= self.queue and not soon:
            with pytest.raises(LimitReached, match="too many"):
                self.limit.enter(origin, soon=False)
        else:
            self.line.append(self.limit.enter(origin if keeps else None, soon=soon))

    @precondition(lambda self: self.opening)
    @rule(data=st.data(), succeeds=st.booleans())
    def opened(self, data: st.DataObject, succeeds: bool) -> None:
        origin = data.draw(st.sampled_from(self.opening))
        self.opening.remove(origin)
        if succeeds:
            self.numbers += 1
            self.busy.append(Connection(self.numbers, origin))
        else:
            self.limit.release(origin)
            self.settle()

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), stays_open=st.booleans())
    def give_back(self, data: st.DataObject, stays_open: bool) -> None:
        connection = data.draw(st.sampled_from(self.busy))
        self.busy.remove(connection)
        if not stays_open:
            self.limit.release(connection.origin)
        elif not self.limit.offer(connection):
            self.idle.append(connection)
        self.settle()

    @precondition(lambda self: self.idle)
    @rule(data=st.data())
    def idle_one_ends(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.idle))
        self.idle.remove(connection)
        self.limit.release(connection.origin)
        self.settle()

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def client_leaves(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.line))
        self.line.remove(waiter)
        waiter.future.cancel()
        assert self.limit.leave(waiter) is None

    def hand_over(self, data: st.DataObject) -> tuple[Connection, Waiter[Connection]] | None:
        """Offer a connection; return it and who has got it, or None: nobody waits for that one, and it is idle now."""
        connection = data.draw(st.sampled_from(self.busy))
        self.busy.remove(connection)
        if not self.limit.offer(connection):
            self.idle.append(connection)
            return None
        [waiter] = [waiter for waiter in self.line if waiter.future.done()]
        return connection, waiter

    @precondition(lambda self: self.line and self.busy)
    @rule(data=st.data())
    def client_leaves_just_as_it_gets_a_connection(self, data: st.DataObject) -> None:
        handed_over = self.hand_over(data)
        if handed_over is None:
            return
        connection, waiter = handed_over
        self.line.remove(waiter)
        assert self.limit.leave(waiter) is connection
        self.limit.release(connection.origin)  # it is closed
        self.settle()

    @precondition(lambda self: self.line and self.busy)
    @rule(data=st.data())
    def a_connection_ends_just_as_it_is_handed_over(self, data: st.DataObject) -> None:
        handed_over = self.hand_over(data)
        if handed_over is None:
            return
        connection, waiter = handed_over
        again = self.limit.enter(waiter.origin, soon=True, before=waiter)
        assert (again.ticket, again.deadline) == (waiter.ticket, waiter.deadline)
        self.line[self.line.index(waiter)] = again
        self.limit.release(connection.origin)
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 2.5, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.turn(seconds)
        self.settle()

    @rule(origins=st.lists(st.sampled_from(ORIGINS), min_size=1, unique=True))
    def use(self, origins: list[Origin]) -> None:
        self.in_use = origins
        self.limit.use(origins)
        self.settle()

    @invariant()
    def no_origin_sees_more(self) -> None:
        if hasattr(self, "limit"):
            for origin in ORIGINS:
                held = [connection for connection in (*self.idle, *self.busy) if connection.origin == origin]
                taken = len(held) + self.opening.count(origin)
                assert self.limit.taken(origin) == taken <= self.most

    @invariant()
    def nobody_waits_for_what_is_free(self) -> None:
        if hasattr(self, "limit"):
            assert self.limit.waiting == len(self.line)
            for waiter in self.line:
                for origin in self.in_use if waiter.origin is None else [waiter.origin]:
                    assert self.limit.taken(origin) >= self.most

    @invariant()
    def nobody_waits_too_long(self) -> None:
        if hasattr(self, "limit"):
            assert all(waiter.deadline > self.clock.now for waiter in self.line)
            assert len(self.clock.timers) <= 1


TestLimits = Limits.TestCase
