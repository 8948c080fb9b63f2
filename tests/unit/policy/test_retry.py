"""When a request may be sent a second time (RFC 9110 §9.2.2)."""

import pytest

from proxy.policy.retry import IDEMPOTENT, RetrySettings, is_stale_reuse

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
def test_only_an_idempotent_method_may_go_twice(method: bytes, idempotent: bool) -> None:
    assert (method in IDEMPOTENT) is idempotent
    assert (method in RetrySettings().repeatable) is idempotent


RETRIES = [
    # reused  response began  repeatable   again
    (True,    False,          True,        True),
    (True,    False,          False,       False),
    (True,    True,           True,        False),
    (True,    True,           False,       False),
    (False,   False,          True,        False),
    (False,   False,          False,       False),
    (False,   True,           True,        False),
    (False,   True,           False,       False),
]  # fmt: skip


@pytest.mark.parametrize(("reused", "began", "repeatable", "expected"), RETRIES)
def test_only_the_race_with_an_idle_close_is_no_attempt_of_its_own(
    reused: bool, began: bool, repeatable: bool, expected: bool
) -> None:
    assert is_stale_reuse(reused=reused, response_began=began, repeatable=repeatable) is expected


def test_statuses_are_those_among_the_conditions() -> None:
    assert RetrySettings().statuses == frozenset()
    assert RetrySettings(on=frozenset({"reset", "502", "504"})).statuses == {502, 504}
