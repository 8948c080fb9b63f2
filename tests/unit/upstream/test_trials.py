"""Origins on trial: one request at a time, until one of them is served."""

from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.health.base import EVERY_STATUS
from proxy.upstream.origin import Candidate, Origin
from proxy.upstream.service import Service
from tests.harness.values import replaced
from tests.unit.upstream.balancing.offers import A, B, C, offer
from tests.unit.upstream.requests import REQUEST, Request
from tests.unit.upstream.test_service import RecordingHealth, retried, service_of


def chosen(service: Service, times: int) -> list[Origin]:
    return [service.choose(REQUEST) for _ in range(times)]


def test_an_origin_on_trial_gets_one_request_at_a_time() -> None:
    service = Service("s", offer(A), RoundRobin())
    service.reported_statuses = EVERY_STATUS
    service.use(offer(A, B), trials={B})
    assert chosen(service, 6).count(B) == 1
    service.use(offer(A, B), trials={B})
    assert chosen(service, 6).count(B) == 0, "its request is still under way"
    service.finished(B, 0)
    service.use(offer(A, B), trials={B})
    assert chosen(service, 6).count(B) == 1
    service.finished(B, 200)
    service.use(offer(A, B))
    assert chosen(service, 6).count(B) == 3


def test_a_request_that_has_failed_is_no_trial() -> None:
    service = service_of(offer(A, C))
    service.use(offer(A, B, C), trials={B})
    assert [retried(service, (A,)) for _ in range(4)] == [C] * 4
    assert retried(service, (A, C)) == B, "nothing better is left"
    assert retried(service, (A, B, C)) is None


def test_a_trial_is_over_when_its_response_begins() -> None:
    service = Service("s", offer(A), RoundRobin())
    health = service.health = RecordingHealth()
    service.use(offer(A, B), trials={B})
    service.responded(B, 200)
    assert health.told == [], "B has no request"
    assert B in chosen(service, 2)
    assert service.awaited_trials == {B}
    service.responded(A, 200)
    service.responded(B, 200)
    service.responded(B, 200)
    assert health.told == [(B, 200, None)]


def test_a_backup_is_on_trial_only_while_backups_are_in_use() -> None:
    a, b, c = Candidate(A), Candidate(B, backup=True), Candidate(C, backup=True)
    service = Service("s", [a], RoundRobin())
    service.use([a, b], trials={B})
    assert B not in chosen(service, 4)
    service.use([b, c], trials={B})
    assert chosen(service, 4).count(B) == 1


def test_the_only_primary_is_on_trial_while_a_backup_serves() -> None:
    a, b = Candidate(A), Candidate(B, backup=True)
    service = Service("s", [a, b], RoundRobin())
    service.use([a, b], trials={A})
    assert chosen(service, 4).count(A) == 1
    service.use([a, b])
    assert chosen(service, 4).count(A) == 4


def test_a_trial_that_ended_elsewhere_does_not_stand_in_the_way_of_the_next() -> None:
    service = Service("s", offer(A, B), RoundRobin())
    service.use(offer(A, B), trials={B})
    assert chosen(service, 2).count(B) == 1
    service.use(offer(A, B))  # another process's request was served
    service.finished(B, 0)  # this one was given up, which nobody hears of any more
    service.use(offer(A, B), trials={B})
    assert chosen(service, 2).count(B) == 1


def test_a_trial_whose_request_waited_and_went_elsewhere_is_offered_again() -> None:
    service = Service("s", offer(A, B), RoundRobin())
    health = service.health = RecordingHealth()
    service.use(offer(A, B), trials={B})
    assert B in chosen(service, 2)
    service.moved(B, A)
    assert service.awaited_trials == set()
    assert health.told == [(B, 0, None)], "health offers it again"


def test_a_trial_gets_what_may_be_sent_again_while_such_requests_come() -> None:
    post = Request()
    post.head = replaced(post.head, method=b"POST")
    service = Service("s", offer(A, B), RoundRobin())
    service.use(offer(A, B), trials={B})
    assert [service.choose(post) for _ in range(6)] == [A] * 6
    assert B in chosen(service, 2)
    assert service.awaited_trials == {B}


def test_a_service_with_nothing_else_gets_a_trial_after_a_few() -> None:
    post = Request()
    post.head = replaced(post.head, method=b"POST")
    service = Service("s", offer(A, B), RoundRobin())
    for _ in range(2):
        service.use(offer(A, B), trials={B})
        assert [service.choose(post) for _ in range(40)].count(B) == 1
        service.use(offer(A, B))
