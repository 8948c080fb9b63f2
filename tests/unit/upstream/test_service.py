"""One upstream as an exchange sees it: what it is offered, and who is told how an attempt ended."""

from collections.abc import Sequence

import pytest

from proxy.errors import ConnectFailed, ProxyError
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.origin import Origin
from proxy.upstream.service import Service
from tests.unit.upstream.requests import REQUEST

A, B, C = Origin("a", 80), Origin("b", 81), Origin("c", 82)


class Recording(Balancing):
    """A policy that chooses the last candidate that is left, and writes down what it is told."""

    follows_attempts = True

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def choose(self, candidates: Sequence[Origin], request: BalancedRequest, tried: Sequence[Origin] = ()) -> Origin:
        self.told.append(("choose", tuple(candidates), request, tuple(tried)))
        return [origin for origin in candidates if origin not in tried][-1]

    def started(self, origin: Origin) -> None:
        self.told.append(("started", origin))

    def ended(self, origin: Origin) -> None:
        self.told.append(("ended", origin))


class RecordingHealth:
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        self.told.append((origin, status, error))


def test_the_policy_chooses_and_is_told_of_each_attempts_start_and_end() -> None:
    policy = Recording()
    service = Service("s", [A, B], policy)
    assert service.choose(REQUEST) == B
    service.finished(B, 0, ConnectFailed())
    assert service.choose(REQUEST, (B,)) == A
    service.finished(A, 200)
    assert policy.told == [
        ("choose", (A, B), REQUEST, ()),
        ("started", B),
        ("ended", B),
        ("choose", (A, B), REQUEST, (B,)),
        ("started", A),
        ("ended", A),
    ]


ALL_TRIED = [
    # candidates   tried
    ([A],          (A,)),
    ([A, B],       (B, A)),
    ([A, A],       (A,)),
    ([A],          (B, A)),
]  # fmt: skip


@pytest.mark.parametrize(("candidates", "tried"), ALL_TRIED)
def test_where_all_have_been_tried_there_is_none_and_no_attempt_starts(
    candidates: list[Origin], tried: tuple[Origin, ...]
) -> None:
    policy = Recording()
    assert Service("s", candidates, policy).choose(REQUEST, tried) is None
    assert policy.told == []


def test_health_is_told_how_each_attempt_ended() -> None:
    service = Service("s", [A, B], RoundRobin())
    health = RecordingHealth()
    service.health = health
    failure = ConnectFailed()
    service.finished(A, 0, failure)
    service.finished(B, 503)
    assert health.told == [(A, 0, failure), (B, 503, None)]


def test_only_the_origins_in_use_are_chosen() -> None:
    service = Service("s", [A, B, C], RoundRobin())
    service.use([B])
    assert [service.choose(REQUEST) for _ in range(3)] == [B, B, B]
    service.use([B, C])
    assert {service.choose(REQUEST) for _ in range(2)} == {B, C}


def test_a_service_without_origins_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one origin"):
        Service("s", [A], RoundRobin()).use([])
