"""A request at the origin that comes after one that refused it, and at one that is on trial."""

import pytest

from tests.unit.exchange.attempted import GET, OK, POST, A, Attempted, B


@pytest.mark.parametrize(
    ("notation", "body", "uses_idle"),
    [
        (GET, b"", True),
        (POST, b"ping", False),  # replayable, but not idempotent: nobody could tell whether it was acted on
        (POST.replace("POST", "PUT"), b"ping", True),
        (POST.replace("POST", "PUT"), b"", False),  # idempotent, but not kept
    ],
)
async def test_only_what_may_be_sent_twice_uses_a_connection_that_has_been_idle_for_long(
    notation: str, body: bytes, uses_idle: bool
) -> None:
    attempted = Attempted(notation, body=body, refuse=1)
    idle = attempted.idle(B)
    await attempted.start()
    lease = attempted.attempts.lease
    assert lease is not None
    assert (lease.connection.origin, lease.reused, lease.connection.stream is idle) == (B, uses_idle, uses_idle)
    assert len(attempted.streams) == (1 if uses_idle else 2)


@pytest.mark.parametrize(("status", "passes"), [(200, True), (404, True), (502, False)])
async def test_a_trial_is_passed_as_soon_as_a_response_begins(status: int, passes: bool) -> None:
    attempted = Attempted()
    attempted.service.failing_statuses = frozenset({502})
    attempted.service.awaited_trials.add(A)
    await attempted.start()
    attempted.streams[0].data_received(OK.replace(b"200", b"%d" % status))
    assert attempted.status == status
    assert attempted.told.ends == ([(A, status, None)] if passes else [])
