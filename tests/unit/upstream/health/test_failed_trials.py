"""A trial that fails where no more addresses may be left out."""

from proxy.errors import ConnectFailed, UpstreamClosed
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.health.ejection import Ejection
from proxy.upstream.health.messages import Message, Trying
from proxy.upstream.health.settings import EjectionSettings
from proxy.upstream.health.state import Endpoints
from proxy.upstream.service import Service
from tests.unit.upstream.balancing.offers import A, B, C, offer

FAILED = UpstreamClosed("closed")


def test_it_is_told_to_be_over_though_nothing_is_ejected_so_that_other_workers_may_try() -> None:
    now, told = [0.0], list[Message]()

    def tell(message: Message) -> bool:
        told.append(message)
        return True

    settings = EjectionSettings(failures=3, max_ejected_percent=50)
    endpoints = Endpoints(offer(A, B, C), settings)
    service = Service("s", offer(A, B, C), RoundRobin())
    ejection = Ejection(
        service, endpoints, statuses=(), clock=lambda: now[0],
        tell=tell, on_change=lambda *_: None,
    )  # fmt: skip
    service.health = ejection
    for _ in range(3):
        ejection.attempt_ended(A, 0, FAILED)
    now[0] = 3_600.0
    endpoints.tried(A, None, now[0])
    ejection.apply()
    assert ejection.usable.trials == {A}
    for _ in range(3):
        ejection.attempt_ended(B, 0, ConnectFailed("refused"))
    assert ejection.usable.trials == {A}
    told.clear()
    ejection.trial_began(A)
    ejection.attempt_ended(A, 0, FAILED)
    assert ejection.usable.trials == {A}, "it may not be ejected"
    assert [message.began for message in told if isinstance(message, Trying)] == [True, False]
    told.clear()
    ejection.attempt_ended(A, 0, FAILED)
    assert not [message for message in told if isinstance(message, Trying)], "that was no trial"
