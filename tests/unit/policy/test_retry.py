"""When a request may be sent a second time (RFC 9110 §9.2.2)."""

import pytest

from proxy.policy.retry import may_replay, may_retry

METHODS = [
    # method        idempotent
    (b"GET",        True),
    (b"HEAD",       True),
    (b"OPTIONS",    True),
    (b"TRACE",      True),
    (b"PUT",        True),
    (b"DELETE",     True),
    (b"POST",       False),
    (b"PATCH",      False),
    (b"CONNECT",    False),
    (b"PROPFIND",   False),  # idempotent by its own RFC; what is not known to be is not
    (b"get",        False),
    (b"",           False),
]  # fmt: skip


@pytest.mark.parametrize(("method", "idempotent"), METHODS)
def test_only_an_idempotent_method_with_a_replayable_body_may_go_twice(method: bytes, idempotent: bool) -> None:
    assert may_replay(method, body_replayable=True) is idempotent
    assert may_replay(method, body_replayable=False) is False


RETRIES = [
    # method   reused  response began  body replayable   retry
    (b"GET",   True,   False,          True,             True),
    (b"GET",   True,   False,          False,            False),
    (b"GET",   True,   True,           True,             False),
    (b"GET",   True,   True,           False,            False),
    (b"GET",   False,  False,          True,             False),
    (b"GET",   False,  False,          False,            False),
    (b"GET",   False,  True,           True,             False),
    (b"GET",   False,  True,           False,            False),
    (b"POST",  True,   False,          True,             False),
    (b"POST",  True,   False,          False,            False),
    (b"POST",  True,   True,           True,             False),
    (b"POST",  True,   True,           False,            False),
    (b"POST",  False,  False,          True,             False),
    (b"POST",  False,  False,          False,            False),
    (b"POST",  False,  True,           True,             False),
    (b"POST",  False,  True,           False,            False),
]  # fmt: skip


@pytest.mark.parametrize(("method", "reused", "began", "replayable", "expected"), RETRIES)
def test_a_retry_answers_only_the_race_with_an_idle_close(
    method: bytes, reused: bool, began: bool, replayable: bool, expected: bool
) -> None:
    assert may_retry(method, reused=reused, response_began=began, body_replayable=replayable) is expected
