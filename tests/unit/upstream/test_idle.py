"""Idle connections by origin: time is a parameter, so nothing here waits."""

from collections.abc import Iterable

import pytest

from proxy.upstream.idle import IdleConnections
from proxy.upstream.origin import Origin

A, B = Origin("a", 80), Origin("::1", 8080)


class Connection:
    """Compared by identity, as connections are."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return True  # whoever compares with == forgets the wrong one

    __hash__ = object.__hash__


ONE, TWO, THREE = Connection("one"), Connection("two"), Connection("three")


def names(connections: Iterable[Connection | None]) -> list[str | None]:
    return [None if connection is None else connection.name for connection in connections]


def test_the_newest_goes_out_first() -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    for now, connection in enumerate((ONE, TWO, THREE)):
        assert idle.put(A, connection, now, 100) == []
    assert names([idle.take(A, 3) for _ in range(3)]) == ["three", "two", "one"]
    assert idle.take(A, 3) is None


def test_an_origin_gets_its_own_connections_only() -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    idle.put(A, ONE, 0, 100)
    assert idle.take(B, 1) is None
    assert idle.take(Origin("a", 81), 1) is None
    assert idle.take(A, 1) is ONE


EXPIRY = [
    # now    handed out
    (0,      True),
    (9.9,    True),
    (10,     False),  # its time is the first moment at which it is not used
    (11,     False),
]  # fmt: skip


@pytest.mark.parametrize(("now", "handed_out"), EXPIRY)
def test_an_expired_one_is_not_handed_out(now: float | int, handed_out: bool) -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    idle.put(A, ONE, 0, 10)
    assert (idle.take(A, now) is ONE) is handed_out
    assert len(idle) == (0 if handed_out else 1), "and stays for `expire` to find"
    assert names(idle.expire(now)) == ([] if handed_out else ["one"])


JUST_USED = [
    # went idle at   newest since   handed out
    (5,              0.0,           True),
    (5,              4,             True),
    (5,              5,             True),
    (5,              5.1,           False),
]  # fmt: skip


@pytest.mark.parametrize(("since", "newest_since", "handed_out"), JUST_USED)
def test_a_request_that_cannot_be_replayed_gets_one_that_was_just_used(
    since: int, newest_since: float | int, handed_out: bool
) -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    idle.put(A, ONE, since, 100)
    assert (idle.take(A, 6, newest_since) is ONE) is handed_out
    assert len(idle) == (0 if handed_out else 1)


SURPLUS = [
    # per origin   surplus of the third
    (0,            ["three"]),
    (1,            ["two"]),
    (2,            ["one"]),
    (3,            []),
]  # fmt: skip


@pytest.mark.parametrize(("per_origin", "surplus"), SURPLUS)
def test_the_oldest_is_the_surplus(per_origin: int, surplus: list[str]) -> None:
    idle: IdleConnections[Connection] = IdleConnections(per_origin)
    idle.put(A, ONE, 0, 100)
    idle.put(A, TWO, 1, 100)
    assert names(idle.put(A, THREE, 2, 100)) == surplus
    assert idle.put(B, ONE, 2, 100) == ([] if per_origin else [ONE]), "each origin has its own bound"
    assert len(idle) == min(per_origin, 3) + min(per_origin, 1)


def test_one_that_ended_is_forgotten_by_identity() -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    for connection in (ONE, TWO, THREE):
        idle.put(A, connection, 0, 100)
    assert idle.forget(A, TWO)
    assert not idle.forget(A, TWO)
    assert not idle.forget(B, ONE)
    assert names([idle.take(A, 1), idle.take(A, 1)]) == ["three", "one"]


def test_all_that_are_past_their_time_expire_oldest_first() -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    idle.put(A, ONE, 0, 5)
    idle.put(A, TWO, 1, 20)
    idle.put(A, THREE, 2, 10)
    idle.put(B, ONE, 0, 5)
    assert names(idle.expire(4)) == []
    assert names(idle.expire(10)) == ["one", "three", "one"]
    assert idle.expire(10) == []
    assert idle.take(A, 10) is TWO


def test_clearing_returns_everything() -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    idle.put(A, ONE, 0, 5)
    idle.put(B, TWO, 0, 5)
    assert names(idle.clear()) == ["one", "two"]
    assert (len(idle), idle.clear(), idle.take(A, 0)) == (0, [], None)


def test_its_representation_counts_by_origin() -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    assert repr(idle) == "<IdleConnections none>"
    idle.put(A, ONE, 0, 5)
    idle.put(A, TWO, 0, 5)
    idle.put(B, THREE, 0, 5)
    assert repr(idle) == "<IdleConnections a:80: 2, [::1]:8080: 1>"


def test_the_oldest_of_all_origins_makes_room_first() -> None:
    idle: IdleConnections[Connection] = IdleConnections(4)
    idle.put(A, ONE, 1, 100)
    idle.put(B, TWO, 0, 100)
    idle.put(B, THREE, 2, 100)
    assert names([idle.take_oldest() for _ in range(4)]) == ["two", "one", "three", None]
