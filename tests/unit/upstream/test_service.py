"""One upstream as an exchange sees it: what it is offered, and who is told how an attempt ended."""

from collections.abc import Container, Sequence
from typing import Any

import pytest

from proxy.errors import ConnectFailed, ConnectTimeout, NameNotFound, ProxyError, TlsFailed, UpstreamClosed
from proxy.policy.retry import CONNECT_FAILURE, IDEMPOTENT, RetrySettings
from proxy.transport.tls import ClientTls
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.health.base import EVERY_STATUS
from proxy.upstream.origin import Candidate, Origin
from proxy.upstream.service import Service
from tests.harness.values import replaced
from tests.unit.upstream.balancing.offers import A, B, C, offer
from tests.unit.upstream.requests import REQUEST, Request


class Recording(Balancing):
    """A policy that chooses the last candidate that is left, and writes down what it is told."""

    follows_attempts = True

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        self.told.append(("choose", tuple(candidates), again))
        return candidates[-1].origin

    def started(self, origin: Origin) -> None:
        self.told.append(("started", origin))

    def ended(self, origin: Origin) -> None:
        self.told.append(("ended", origin))


class RecordingHealth:
    def __init__(self, known: Container[Origin] = (A, B, C)) -> None:
        self.told: list[tuple[object, ...]] = []
        self._known = known

    def trial_began(self, _: Origin) -> None: ...

    def knows(self, origin: Origin) -> bool:
        return origin in self._known

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        self.told.append((origin, status, error))


def service_of(candidates: Sequence[Candidate], policy: Balancing | None = None, **retries: Any) -> Service:
    return Service("s", candidates, policy or RoundRobin(), RetrySettings(**{"attempts": 9, **retries}))


def retried(
    service: Service,
    tried: tuple[Origin, ...],
    reason: str = CONNECT_FAILURE,
    method: bytes = b"GET",
    *,
    replayable: bool = True,
    error: ProxyError | None = None,
) -> Origin | None:
    request = Request()
    request.head = replaced(request.head, method=method)
    return service.retry(request, tried, reason, 0.0, replayable=replayable, error=error)


def test_the_policy_chooses_and_is_told_of_each_attempts_start_and_end() -> None:
    policy = Recording()
    service = Service("s", offer(A, B), policy)
    assert service.choose(REQUEST) == B
    service.finished(B, 0, ConnectFailed())
    assert retried(service, (B,)) == A
    service.finished(A, 200)
    assert policy.told == [
        ("choose", offer(A, B), False),
        ("started", B),
        ("ended", B),
        ("choose", offer(A), True),
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
    assert retried(service_of(offer(*candidates), policy), tried) is None
    assert policy.told == []


def test_where_all_others_refuse_one_that_was_ejected_is_tried() -> None:
    service = service_of(offer(A), Recording())
    service.ejected = [B]
    assert retried(service, (A,)) == B
    assert retried(service, (A, B)) is None


HEARD = [
    # hears            statuses        told
    ((),               (200, 503),     ()),
    (frozenset({503}), (200, 503),     (503,)),
    (EVERY_STATUS,     (200, 503, 0),  (200, 503, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("hears", "statuses", "told"), HEARD)
def test_health_is_told_of_every_error_and_of_the_statuses_that_it_hears(
    hears: Container[int], statuses: tuple[int, ...], told: tuple[int, ...]
) -> None:
    service = Service("s", offer(A, B), RoundRobin())
    health = service.health = RecordingHealth()
    service.reported_statuses = hears
    failure = ConnectFailed()
    service.finished(A, 0, failure)
    for status in statuses:
        service.finished(B, status)
    assert health.told == [(A, 0, failure), *((B, status, None) for status in told)]


def test_only_the_origins_in_use_are_chosen() -> None:
    service = Service("s", offer(A, B, C), RoundRobin())
    service.use(offer(B))
    assert [service.choose(REQUEST) for _ in range(3)] == [B, B, B]
    service.use(offer(B, C))
    assert {service.choose(REQUEST) for _ in range(2)} == {B, C}


def test_a_service_without_origins_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one origin"):
        Service("s", offer(A), RoundRobin()).use([])


def test_an_origin_that_is_listed_twice_gets_twice_as_many() -> None:
    policy = Recording()
    Service("s", offer(A, B, A), policy).choose(REQUEST)
    assert policy.told[0] == ("choose", (Candidate(A, 2.0), Candidate(B)), False)


BACKUPS = [
    # primaries   backups   tried       offered
    ([A],         [B],      (),         offer(A)),
    ([A],         [B, C],   (A,),       (Candidate(B, backup=True), Candidate(C, backup=True))),
    ([A, B],      [C],      (A,),       offer(B)),
    ([A],         [B, C],   (A, B),     (Candidate(C, backup=True),)),
    ([],          [B],      (),         (Candidate(B, backup=True),)),
]  # fmt: skip


@pytest.mark.parametrize(("primaries", "backups", "tried", "offered"), BACKUPS)
def test_backups_are_used_only_while_no_other_is_usable(
    primaries: list[Origin], backups: list[Origin], tried: tuple[Origin, ...], offered: tuple[Candidate, ...]
) -> None:
    policy = Recording()
    candidates = [*offer(*primaries), *(Candidate(origin, backup=True) for origin in backups)]
    service = service_of(candidates, policy)
    if tried:
        retried(service, tried)
    else:
        service.choose(REQUEST)
    assert policy.told[0][1] == offered


def test_one_primary_costs_no_choice_though_there_are_backups() -> None:
    service = Service("s", [Candidate(A), Candidate(B, backup=True)], RoundRobin())
    assert [service.choose(REQUEST) for _ in range(3)] == [A, A, A]
    assert retried(service, (A,)) == B


RESETS = frozenset({"reset", "503"})

RETRIED = [
    # on              reason             method    body at hand   again
    (RESETS,          "reset",           b"GET",   True,          True),
    (RESETS,          "503",             b"PUT",   True,          True),
    (RESETS,          "502",             b"GET",   True,          False),
    (RESETS,          CONNECT_FAILURE,   b"GET",   True,          False),
    (RESETS,          "reset",           b"GET",   False,         False),
    (RESETS,          "reset",           b"POST",  True,          False),
    (RESETS,          "503",             b"PATCH", True,          True),  # which this service declares safe
    ({CONNECT_FAILURE}, CONNECT_FAILURE, b"POST",  False,         True),  # nothing was sent
    ({CONNECT_FAILURE}, "reset",         b"GET",   True,          False),
]  # fmt: skip


@pytest.mark.parametrize(("on", "reason", "method", "replayable", "again"), RETRIED)
def test_only_what_may_be_sent_twice_is_sent_again_and_only_for_what_is_configured(
    on: frozenset[str], reason: str, method: bytes, replayable: bool, again: bool
) -> None:
    service = service_of(offer(A, B), on=frozenset(on), repeatable=IDEMPOTENT | {b"PATCH"})
    assert (retried(service, (A,), reason, method, replayable=replayable) is not None) is again


ELSEWHERE = [
    # candidates   tried        reason            next
    ([A, B, C],    (A,),        "503",            (B, C)),
    ([A, B],       (A,),        "503",            (B,)),
    ([A, B],       (A, B),      "503",            (A,)),    # not the one just tried
    ([A],          (A,),        "503",            (A,)),    # there is no other
    ([A],          (A,),        CONNECT_FAILURE,  (None,)),
    ([A, B],       (A, B),      CONNECT_FAILURE,  (None,)),
]  # fmt: skip


@pytest.mark.parametrize(("candidates", "tried", "reason", "among"), ELSEWHERE)
def test_a_retry_goes_elsewhere_first(
    candidates: list[Origin], tried: tuple[Origin, ...], reason: str, among: tuple[Origin | None, ...]
) -> None:
    service = service_of(offer(*candidates), on=frozenset({CONNECT_FAILURE, "503"}))
    assert {retried(service, tried, reason) for _ in range(4)} <= set(among)


def test_attempts_are_counted_in_all() -> None:
    service = service_of(offer(A, B, C), attempts=3)
    assert retried(service, (A, B)) == C
    assert retried(service, (A, B, C)) is None
    assert retried(service_of(offer(A, B), attempts=1), (A,)) is None


def test_retries_have_a_budget() -> None:
    service = service_of(offer(A, B), budget_percent=10.0, on=frozenset({"reset"}))
    for _ in range(300):
        service.choose(REQUEST)
    assert [retried(service, (A,), "reset") for _ in range(60)] == [B] * 50 + [None] * 10  # 10 % of 300, and 20


SECURED = A._replace(tls=ClientTls())

COSTS_BUDGET = [
    # at       reason            error               from the budget
    (A,        CONNECT_FAILURE,  ConnectFailed(),    False),
    (A,        CONNECT_FAILURE,  ConnectTimeout(),   False),
    (A,        CONNECT_FAILURE,  NameNotFound(),     False),
    (SECURED,  CONNECT_FAILURE,  ConnectFailed(),    False),
    (SECURED,  CONNECT_FAILURE,  ConnectTimeout(),   True),  # it may have been shaking hands
    (SECURED,  CONNECT_FAILURE,  TlsFailed(),        True),
    (A,        "reset",          UpstreamClosed(),   True),
    (A,        "503",            None,               True),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "reason", "error", "costs"), COSTS_BUDGET)
def test_only_retries_for_which_a_service_may_have_worked_need_the_budget(
    origin: Origin, reason: str, error: ProxyError | None, costs: bool
) -> None:
    service = service_of(offer(origin, B), budget_percent=0.0, on=frozenset({CONNECT_FAILURE, "reset", "503"}))
    expected = [B] * 20 + [None] * 10 if costs else [B] * 30
    assert [retried(service, (origin,), reason, error=error) for _ in range(30)] == expected
    assert retried(service, (origin,), "reset") == (None if costs else B), (
        "what was not counted leaves the budget whole"
    )


def test_who_was_on_the_way_to_an_origin_as_it_was_ejected_goes_elsewhere_whatever_the_budget_says() -> None:
    service = service_of(offer(SECURED, B), budget_percent=0.0, on=frozenset({CONNECT_FAILURE, "reset"}))
    assert [retried(service, (SECURED,), error=TlsFailed()) for _ in range(30)] == [B] * 20 + [None] * 10
    service.use(offer(B))
    service.ejected = [SECURED]
    assert [retried(service, (SECURED,), error=TlsFailed()) for _ in range(30)] == [B] * 30
    assert retried(service, (SECURED,), "reset") is None, "what was sent may have been work"


@pytest.mark.parametrize(("error", "counted"), [(ConnectFailed(), False), (TlsFailed(), True)])
def test_going_to_a_new_address_of_the_name_has_the_same_budget(error: ProxyError, counted: bool) -> None:
    service = service_of(offer(A), budget_percent=0.0, attempts=2)
    service.health = RecordingHealth(known=())
    moved = [service.origin_at_new_address((A,), ["192.0.2.9"], 0.0, error) for _ in range(30)]
    assert moved == [A._replace(address="192.0.2.9")] * 20 + [None if counted else A._replace(address="192.0.2.9")] * 10


def test_clients_read_of_an_origin_by_its_number() -> None:
    service = service_of((Candidate(A), Candidate(B, backup=True)))
    service.use(offer(B))
    assert [service.alias(label) for label in ("a:80", "b:81", "x:1")] == ["s.1", "s.2", "s"]
