"""Idle connections against a model that is one list."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from proxy.upstream.idle import IdleConnections
from proxy.upstream.origin import Origin

ORIGINS = st.sampled_from([Origin("a", 80), Origin("a", 81), Origin("b", 80)])


class Idle(RuleBasedStateMachine):
    """`model` holds (origin, connection, since, expires_at), in the order in which they were put."""

    @initialize(per_origin=st.integers(0, 3))
    def begin(self, per_origin: int) -> None:
        self.per_origin = per_origin
        self.idle: IdleConnections[object] = IdleConnections(per_origin)
        self.model: list[tuple[Origin, object, int, int]] = []
        self.gone: list[object] = []
        self.now = 0

    def of(self, origin: Origin) -> list[tuple[Origin, object, int, int]]:
        return [entry for entry in self.model if entry[0] == origin]

    @rule(seconds=st.integers(0, 5))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(origin=ORIGINS, seconds=st.integers(0, 8))
    def put(self, origin: Origin, seconds: int) -> None:
        connection = object()
        self.model.append((origin, connection, self.now, self.now + seconds))
        surplus = self.of(origin)[: max(len(self.of(origin)) - self.per_origin, 0)]
        self.model = [entry for entry in self.model if entry not in surplus]
        self.gone += [entry[1] for entry in surplus]
        assert self.idle.put(origin, connection, self.now, self.now + seconds) == [entry[1] for entry in surplus]

    @rule(origin=ORIGINS, within=st.none() | st.integers(0, 8))
    def take(self, origin: Origin, within: int | None) -> None:
        newest_since = 0.0 if within is None else self.now - within
        expected = None
        if self.of(origin):
            newest = self.of(origin)[-1]
            if newest[3] > self.now and newest[2] >= newest_since:
                expected = newest[1]
                self.model.remove(newest)
                self.gone.append(expected)
        assert self.idle.take(origin, self.now, newest_since) is expected

    @rule(data=st.data(), origin=ORIGINS)
    def forget(self, data: st.DataObject, origin: Origin) -> None:
        connections = [entry[1] for entry in self.model] + self.gone
        if not connections:
            return
        connection = data.draw(st.sampled_from(connections))
        was_here = any(entry[1] is connection for entry in self.of(origin))
        if was_here:
            self.model = [entry for entry in self.model if entry[1] is not connection]
            self.gone.append(connection)
        assert self.idle.forget(origin, connection) is was_here

    @rule()
    def expire(self) -> None:
        expired = [entry[1] for entry in self.model if entry[3] <= self.now]
        self.model = [entry for entry in self.model if entry[3] > self.now]
        self.gone += expired
        told = self.idle.expire(self.now)
        assert len(told) == len(expired)
        assert set(told) == set(expired)

    @rule()
    def clear(self) -> None:
        told = self.idle.clear()
        assert len(told) == len(self.model)
        assert set(told) == {entry[1] for entry in self.model}
        self.gone += told
        self.model = []

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "model"):
            assert len(self.idle) == len(self.model)


TestIdle = Idle.TestCase
