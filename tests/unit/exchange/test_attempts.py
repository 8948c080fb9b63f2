"""A request's attempts by themselves: without a socket."""

import pytest

from proxy.errors import ClientGone, ConnectFailed, UpgradeRefused, UpstreamClosed
from proxy.policy.retry import RetrySettings
from tests.unit.exchange.attempted import GET, OK, POST, A, Attempted, B
from tests.unit.transport.noting import transport_of


async def test_a_request_is_sent_and_its_response_returned() -> None:
    attempted = Attempted()
    await attempted.start()
    assert attempted.sent() == b"HEAD"
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200
    assert (attempted.record.attempts, attempted.record.reused, attempted.record.origin) == (1, False, "a:80")
    attempted.attempts.end()
    attempted.attempts.end()
    assert attempted.told.ends == [(A, 200, None)], "once"


async def test_an_idle_connection_is_used_without_a_turn_of_the_loop() -> None:
    attempted = Attempted()
    attempted.idle(A)
    attempted._fiber.resume()
    assert attempted.sent() == b"HEAD"
    assert attempted.record.reused
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200


async def test_a_body_that_has_arrived_goes_with_its_head() -> None:
    attempted = Attempted(POST, body=b"body")
    await attempted.start()
    assert attempted.sent() == b"HEADbody"
    assert attempted.attempts.request_sent
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200


async def test_a_refused_request_goes_to_the_next_origin_whatever_its_method() -> None:
    attempted = Attempted(POST, body=b"body", refuse=1)
    await attempted.start()
    attempted.streams[0].data_received(OK)
    assert attempted.told.ends == [(A, 0, ConnectFailed)]
    assert (attempted.record.attempts, attempted.record.origin) == (2, "b:80")


async def test_where_all_refuse_the_last_failure_is_told_and_none_is_tried_twice() -> None:
    attempted = Attempted(refuse=9)
    await attempted.start()
    assert isinstance(attempted.result, ConnectFailed)
    assert attempted.told.ends == [(A, 0, ConnectFailed), (B, 0, ConnectFailed)]


async def test_a_connection_that_closed_while_it_was_idle_costs_no_attempt() -> None:
    attempted = Attempted(retries=RetrySettings(attempts=1))
    attempted.idle(A).eof_received()  # which nobody has noticed yet
    await attempted.start()
    assert len(attempted.streams) == 2
    attempted.streams[1].data_received(OK)
    assert attempted.status == 200
    attempted.attempts.end()
    assert attempted.told.ends == [(A, 200, None)]


async def test_only_once_though() -> None:
    attempted = Attempted(retries=RetrySettings(attempts=1))
    attempted.idle(A).eof_received()
    await attempted.start()
    attempted.streams[1].eof_received()
    assert isinstance(attempted.result, UpstreamClosed)
    assert attempted.told.ends == [(A, 0, UpstreamClosed)]


async def test_a_503_is_read_as_far_as_it_came_and_the_next_origin_asked() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno")
    await attempted.turn()
    assert (len(attempted.pool), attempted.sent(1)) == (1, b"HEAD")
    attempted.streams[1].data_received(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n")
    await attempted.turn()
    assert "abort" in transport_of(attempted.streams[1]).told
    attempted.streams[0].data_received(OK)  # the idle one again: attempts are three
    assert attempted.status == 200
    attempted.attempts.end()
    assert attempted.told.ends == [(A, 503, None), (B, 503, None), (A, 200, None)]


async def test_the_last_attempts_503_is_returned() -> None:
    attempted = Attempted(retries=RetrySettings(attempts=1, on=frozenset({"503"})))
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    assert attempted.status == 503


@pytest.mark.parametrize(
    ("notation", "body", "again"), [(GET, b"", True), (POST, b"body", False), (POST, b"bo", False)]
)
async def test_a_reset_is_followed_by_another_attempt_only_where_that_is_safe(
    notation: str, body: bytes, again: bool
) -> None:
    attempted = Attempted(notation, body=body)
    await attempted.start()
    attempted.streams[0].connection_lost(ConnectionResetError())
    await attempted.turn()
    assert len(attempted.streams) == (2 if again else 1)
    if not again:
        assert isinstance(attempted.result, UpstreamClosed)
        return
    attempted.streams[1].data_received(OK)
    assert attempted.status == 200


async def test_interim_responses_go_to_the_client_as_they_come() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert b"103 Early Hints" in transport_of(attempted.client.stream).written
    assert attempted.result is None
    attempted.streams[0].data_received(OK)
    assert attempted.status == 200


async def test_a_101_that_nobody_asked_for_is_refused() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.streams[0].data_received(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert isinstance(attempted.result, UpgradeRefused)
    assert "abort" in transport_of(attempted.streams[0]).told


async def test_who_is_abandoned_while_it_connects_leaves_nothing_behind() -> None:
    attempted = Attempted()
    attempted._fiber.resume()
    attempted.attempts.abandon(ClientGone("left"))
    assert isinstance(attempted.result, ClientGone)
    await attempted.turn()
    assert all("abort" in transport_of(stream).told for stream in attempted.streams)
    assert attempted.told.ends == [(A, 0, ClientGone)]


async def test_who_is_abandoned_while_it_waits_is_not_sent_again() -> None:
    attempted = Attempted()
    await attempted.start()
    attempted.attempts.abandon(ClientGone("left"))
    attempted.streams[0].connection_lost(None)
    await attempted.turn()
    assert isinstance(attempted.result, UpstreamClosed), "of which the exchange knows the cause"
    assert attempted.attempts.ended_by is not None
    assert len(attempted.streams) == 1


async def test_no_timer_outlives_a_request_that_expected_a_100() -> None:
    attempted = Attempted("POST / HTTP/1.1|Host: h|Content-Length: 4|Expect: 100-continue")
    await attempted.start()
    assert attempted.attempts._upload is not None
    timer = attempted.attempts._upload._patience
    assert timer is not None
    attempted.attempts.end()
    assert timer.cancelled()
