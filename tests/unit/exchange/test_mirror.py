"""What is kept of a body for a copy of its request."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.exchange.mirror import mirror
from proxy.http1.message import CHUNKED
from proxy.policy.route import Mirror
from tests.harness.notation import request
from tests.unit.exchange.attempted import POST, Attempted


class Context:
    """Stands where a worker stands."""

    def __init__(self) -> None:
        self.replay_bytes = 8
        self.copies: set[Any] = set()
        self.called: list[Any] = []
        self.loop = SimpleNamespace(call_soon=self.called.append)


@pytest.mark.parametrize(
    ("pieces", "wanted", "sent"),
    [
        ([b"1234", b"5678"], [True, False], True),
        ([b"123456789"], [False], False),
        ([b"1234", b"56789"], [True, False], False),
    ],
)
def test_no_more_of_a_body_is_wanted_once_it_is_whole_or_too_large(
    pieces: list[bytes], wanted: list[bool], sent: bool
) -> None:
    context, body = Context(), SimpleNamespace(copy=None)
    client = SimpleNamespace(timeouts=None, limits=None)
    forward = SimpleNamespace(upgrade=None, request_id=b"id", framing=CHUNKED, target=b"/")
    record = SimpleNamespace(client="9.9.9.9", started=0.0, request_id="id")
    head = request("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked")
    mirror(Mirror("shadow", 1_000_000), *cast("Any", (context, client, head, forward, body, record)))
    assert body.copy is not None
    received, answers = 0, []
    for number, piece in enumerate(pieces):
        received += len(piece)
        whole = number + 1 == len(pieces) and sent
        answers.append(body.copy.take([piece], SimpleNamespace(received_bytes=received, complete=whole)))
    assert answers == wanted
    assert (len(context.copies), len(context.called)) == ((1, 1) if sent else (0, 0))


class Copy:
    """A copy that wants no more once it has a piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def take(self, pieces: list[bytes], _: object) -> bool:
        self.pieces += pieces
        return not self.pieces

    def drop(self) -> None: ...


async def test_a_copy_that_wants_no_more_than_came_with_the_head_gets_no_more() -> None:
    attempted = Attempted(POST, body=b"pi")
    body = attempted.attempts.request_body
    assert body is not None
    copy = Copy()
    body.copy = copy
    await attempted.start()
    attempted.client.stream.data_received(b"ng")
    await attempted.turn()
    assert attempted.sent().endswith(b"ping")
    assert copy.pieces == [b"pi"]
    assert body.copy is None


async def test_a_copy_that_wants_no_more_gets_no_more() -> None:
    attempted = Attempted(POST)
    body, copy = attempted.attempts.request_body, Copy()
    assert body is not None
    body.copy = copy
    await attempted.start()
    for piece in (b"p", b"in", b"g"):
        attempted.client.stream.data_received(piece)
        await attempted.turn()
    assert attempted.sent().endswith(b"ping")
    assert copy.pieces == [b"p"]
    assert body.copy is None
