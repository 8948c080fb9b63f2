"""Whether a connection stays open (RFC 9112 §9.3), and what Keep-Alive promises."""

import pytest

from proxy.http1.fields import tokens
from proxy.http1.message import KeepAlive
from proxy.http1.persistence import keep_alive, persists

PERSISTENCE = [
    # version  Connection                    persists
    (b"1.1",   [],                           True),
    (b"1.1",   [b""],                        True),
    (b"1.1",   [b"keep-alive"],              True),
    (b"1.1",   [b"X-Foo, upgrade"],          True),
    (b"1.1",   [b"close"],                   False),
    (b"1.1",   [b"keep-alive, close"],       False),
    (b"1.1",   [b"close", b"keep-alive"],    False),
    (b"1.1",   [b"CLOSE ,, keep-alive"],     False),
    (b"1.1",   [b"X", b"Close"],             False),
    (b"1.1",   [b"not-close-x"],             True),
    (b"1.1",   [b'"close"'],                 True),
    (b"1.1",   [b"close;q=1"],               True),
    (b"1.1",   [b"close close"],             True),
    (b"1.0",   [],                           False),
    (b"1.0",   [b"X-Foo"],                   False),
    (b"1.0",   [b"keep-alive"],              True),
    (b"1.0",   [b"Keep-Alive"],              True),
    (b"1.0",   [b"keep-alive-x"],            False),
    (b"1.0",   [b"close"],                   False),
    (b"1.0",   [b"keep-alive, close"],       False),
    (b"1.0",   [b"keep-alive", b"CLOSE"],    False),
]  # fmt: skip


@pytest.mark.parametrize(("version", "connection", "expected"), PERSISTENCE)
def test_a_connection_persists_by_version_and_options(version: bytes, connection: list[bytes], expected: bool) -> None:
    assert persists(version, frozenset(tokens(connection))) is expected


KEEP_ALIVE = [
    # Keep-Alive lines                        timeout  max
    ([],                                      None,    None),
    ([b""],                                   None,    None),
    ([b"timeout=5"],                          5,       None),
    ([b"timeout=5, timeout=60"],              5,       None),
    ([b"timeout=60", b"timeout=5"],           5,       None),
    ([b"max=100"],                            None,    100),
    ([b"timeout=5, max=100"],                 5,       100),
    ([b"max=0", b"timeout=0"],                0,       0),
    ([b"Timeout = 5 ,MAX=1"],                 5,       1),
    ([b'timeout="5"'],                        5,       None),
    ([b"300"],                                None,    None),  # the form of old clients: no parameter, no meaning
    ([b"timeout"],                            None,    None),
    ([b"timeout="],                           None,    None),
    ([b"timeout=-5"],                         None,    None),
    ([b"timeout=+5"],                         None,    None),
    ([b"timeout=5s"],                         None,    None),
    ([b"timeout=5.9, max=2."],                5,       2),
    ([b"timeout=.5"],                         None,    None),
    ([b"timeout=5;max=1"],                    None,    None),
    ([b"xtimeout=5, maxx=1"],                 None,    None),
    ([b"timeout=9999999999"],                 None,    None),  # ten digits: no number anybody means
    ([b"x, timeout=7, y=1"],                  7,       None),
]  # fmt: skip


@pytest.mark.parametrize(("values", "timeout_s", "max_requests"), KEEP_ALIVE)
def test_keep_alive_promises_seconds_and_requests(
    values: list[bytes], timeout_s: int | None, max_requests: int | None
) -> None:
    assert keep_alive(values) == KeepAlive(timeout_s, max_requests)
