"""One connection to an origin: what it reads, how its ends are told apart, and why it may carry no other request."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.errors import BadResponse, ProxyError, UpstreamClosed
from proxy.http1.limits import MessageLimits
from proxy.policy import keeping
from proxy.policy.keeping import Keeping
from proxy.upstream.connection import ConnectionState, UpstreamConnection
from proxy.upstream.origin import Origin
from tests.unit.transport.noting import noting_stream, transport_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def leased(*, fast_path: bool = True, limits: MessageLimits | None = None) -> UpstreamConnection:
    """A connection that has begun an exchange."""
    now = asyncio.get_running_loop().time()
    connection = UpstreamConnection(
        Origin("a", 80), noting_stream(), limits or MessageLimits(), now, fast_path=fast_path
    )
    connection.begin()
    return connection


KEPT = [
    # what arrives                                                          method   why it is closed
    (OK,                                                                    b"GET",  None),
    (b"HTTP/1.1 204 No\r\n\r\n",                                            b"GET",  None),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",                       b"HEAD", None),
    (CHUNKED + b"0\r\n\r\n",                                                b"GET",  None),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", b"GET", None),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",                       b"GET",  keeping.CLOSES),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",  b"GET",  keeping.CLOSES),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",                     b"GET",  keeping.NOT_WHOLE),
    (CHUNKED + b"2\r\nok\r\n",                                              b"GET",  keeping.NOT_WHOLE),
    (OK + b"HTTP/1.1 200 OK\r\n",                                           b"GET",  keeping.SURPLUS),
    (b"HTTP/1.1 200 OK\r\nKeep-Alive: max=0\r\nContent-Length: 0\r\n\r\n",  b"GET",  keeping.LAST_PROMISED),
]  # fmt: skip


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize(("arrives", "method", "why"), KEPT)
async def test_a_response_says_whether_another_request_may_follow(
    arrives: bytes, method: bytes, why: Keeping | None, fast_path: bool
) -> None:
    connection = leased(fast_path=fast_path)
    connection.stream.data_received(arrives)
    await connection.read_head(method)
    connection.arrived()
    assert connection.why_closed() is why


async def test_a_body_that_ends_with_the_connection_is_whole_and_the_last() -> None:
    connection = leased()
    connection.stream.data_received(b"HTTP/1.1 200 OK\r\n\r\nok")
    connection.stream.eof_received()
    await connection.read_head(b"GET")
    pieces = connection.arrived()
    while not connection.body.complete:
        pieces += await connection.read_body(asyncio.get_running_loop().time() + 10)
    assert b"".join(pieces) == b"ok"
    assert connection.why_closed() is keeping.ENDS_BODY


async def test_interim_heads_come_before_the_final_one_and_say_nothing_of_the_connection() -> None:
    connection = leased()
    connection.stream.data_received(b"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + OK)
    assert (await connection.read_head(b"GET")).status == 103
    assert (await connection.read_head(b"GET")).status == 200
    assert (connection.arrived(), connection.why_closed()) == ([b"ok"], None)


def ends(connection: UpstreamConnection) -> None:
    connection.stream.eof_received()


def breaks(connection: UpstreamConnection) -> None:
    connection.stream.connection_lost(ConnectionResetError())


HEADLESS: list[tuple[bytes, Callable[[UpstreamConnection], None], type[ProxyError], bool]] = [
    # what arrives                   then     raises          whether a response had begun
    (b"",                            ends,    UpstreamClosed, False),
    (b"",                            breaks,  UpstreamClosed, False),
    (b"HTTP/1.1 200 OK\r\nX: ",      ends,    UpstreamClosed, True),
    (b"HTTP/1.1 200 OK\r\nX: ",      breaks,  UpstreamClosed, True),
    (b"HTTP/9.9 200 OK\r\n\r\n",     ends,    BadResponse,    True),
]  # fmt: skip


@pytest.mark.parametrize(("arrives", "then", "error", "began"), HEADLESS)
async def test_without_a_head_the_end_is_told_apart(
    arrives: bytes, then: Callable[[UpstreamConnection], None], error: type[ProxyError], began: bool
) -> None:
    connection = leased()
    if arrives:
        connection.stream.data_received(arrives)
    then(connection)
    with pytest.raises(error):
        await connection.read_head(b"GET")
    assert connection.response_began is began


CUT = [
    # head and what came of the body                               then    code
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",            ends,   "response_body_cut"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",            breaks, "response_body_cut"),
    (CHUNKED + b"2\r\nok\r\n",                                     ends,   "response_body_cut"),
    (b"HTTP/1.1 200 OK\r\n\r\nok",                                 breaks, "response_body_cut"),
]  # fmt: skip


@pytest.mark.parametrize(("arrives", "then", "code"), CUT)
async def test_what_came_of_a_cut_body_is_handed_over_before_the_cut(
    arrives: bytes, then: Callable[[UpstreamConnection], None], code: str
) -> None:
    connection = leased()
    connection.stream.data_received(arrives)
    then(connection)
    await connection.read_head(b"GET")
    assert b"".join(connection.arrived()) == b"ok"
    with pytest.raises(UpstreamClosed) as cut:
        await connection.read_body(asyncio.get_running_loop().time() + 10)
    assert cut.value.code == code


async def test_chunks_before_a_broken_one_are_handed_over_first() -> None:
    connection = leased()
    connection.stream.data_received(CHUNKED)
    await connection.read_head(b"GET")
    assert connection.arrived() == []
    connection.stream.data_received(b"2\r\nok\r\nzz\r\n")
    assert b"".join(await connection.read_body(asyncio.get_running_loop().time() + 10)) == b"ok"
    for _ in range(2):
        with pytest.raises(BadResponse):
            await connection.read_body(asyncio.get_running_loop().time() + 10)


async def test_limits_of_a_route_hold_from_the_next_response_on() -> None:
    connection = leased()
    connection.use(MessageLimits(response_head_bytes=1024))
    connection.stream.data_received(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2000 + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(BadResponse):
        await connection.read_head(b"GET")


async def test_a_second_exchange_begins_anew() -> None:
    connection = leased()
    connection.stream.data_received(b"HTTP/1.1 200 OK\r\nKeep-Alive: max=0\r\nContent-Length: 2\r\n\r\nok")
    await connection.read_head(b"GET")
    connection.arrived()
    connection.begin()
    assert (connection.exchanges, connection.state, connection.response_began) == (2, ConnectionState.LEASED, False)
    connection.stream.data_received(OK)
    await connection.read_head(b"GET")
    connection.arrived()
    assert connection.why_closed() is None, "the promise of the response before is over"


async def test_a_discarded_connection_is_closed_at_once_and_tells_nobody() -> None:
    connection = leased()
    connection.discard()
    assert (connection.state, connection.stream.watcher) == (ConnectionState.CLOSED, None)
    assert "abort" in transport_of(connection.stream).told
