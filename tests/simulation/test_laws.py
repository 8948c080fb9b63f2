"""Each law finds what breaks it: the proxy is broken on purpose, and a world says so in that law's words."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Final
from unittest import mock

import pytest

from proxy.config import build
from proxy.downstream.connection import ClientConnection
from proxy.downstream.listener import Listener
from proxy.errors import UpstreamClosed
from proxy.exchange import admission, auth_service, buckets, copy_body, exchange, mirror, passwords
from proxy.exchange.answering import Answering
from proxy.exchange.attempts import Attempts
from proxy.exchange.exchange import Exchange
from proxy.exchange.tunnel import Tunnel
from proxy.http1 import writer
from proxy.policy.local_responses import LocalResponse
from proxy.process import worker
from proxy.telemetry.events import Sink
from proxy.transport.stream import Stream
from tests.simulation.beneath import simulated_kernel
from tests.simulation.scenario import Scenario
from tests.simulation.search import judged

pytestmark = [pytest.mark.interpreted, pytest.mark.timeout(600)]  # work, not waiting: a loaded machine takes its time
_MOST_WORLDS: Final = 600
Break = Callable[[], AbstractContextManager[object]]
_ask, _mirror, _respond, _take = auth_service.ask, mirror.mirror, Attempts.respond, mirror._Copy.take
_request_head, _response_head, _write_all = writer.request_head, writer.response_head, copy_body.write_all


def sends(change: Callable[[bytes, bytes, Any], bytes]) -> Break:
    """Another request head, from method, target and fields."""

    def request_head(method: bytes, target: bytes, fields: Any, _: Any = None) -> bytes:
        return change(method, target, fields)

    return lambda: mock.patch.object(writer, "request_head", request_head)


def answers(change: Callable[[int, bytes, Any], bytes]) -> Break:
    """Another response head, from status, reason and fields."""
    return lambda: mock.patch.object(writer, "response_head", change)


def with_another(name: bytes, value: bytes, lines: Any) -> Any:
    return [*(line for line in lines if line[0].lower() != name), (name, value)]


def _change_bodies(stream: Stream, pieces: list[bytes]) -> None:
    _write_all(stream, [piece.replace(b"<", b"[") for piece in pieces])


def then(spoil: Callable[[Any], object]) -> Break:
    """Something is spoilt behind each response."""
    original = Exchange._pass_response

    async def pass_response(self: Exchange, *given: Any) -> bool:
        goes_on = await original(self, *given)
        spoil(self)
        return goes_on

    return lambda: mock.patch.object(Exchange, "_pass_response", pass_response)


def _log_twice() -> AbstractContextManager[object]:
    original = Exchange.run

    async def run(self: Exchange) -> bool:
        goes_on = await original(self)
        assert self._context.events.ended is not None
        self._context.events.ended(self._record)
        return goes_on

    return mock.patch.object(Exchange, "run", run)


def _forget_last_words() -> AbstractContextManager[object]:
    original = Tunnel.run

    def run(self: Tunnel, up: bytes, down: bytes) -> Awaitable[object]:
        return original(self, up, down[:-3])

    return mock.patch.object(Tunnel, "run", run)


async def _end_as_if_whole(client: ClientConnection, **_: bool) -> int:
    client.stream.write(b"0\r\n\r\n")
    client.stream.close()
    return 0


async def _end_properly(client: ClientConnection, **_: bool) -> int:
    client.stream.close()
    return 0


async def _say_nothing(self: Answering, *_: object, **__: object) -> bool:
    return False


async def _be_impatient(*_: object) -> None:
    raise TimeoutError


async def _ask_nobody(*_: object) -> list[object]:
    return []


async def _ask_and_name_another(*given: Any) -> Any:
    admitted = await _ask(*given)
    return admitted if isinstance(admitted, LocalResponse) else [(b"X-User", b"another")]


def _copy_twice(*given: Any) -> None:
    _mirror(*given)
    _mirror(*given)


def _take_another_body(self: Any, pieces: list[bytes], body: Any) -> bool:
    return _take(self, [piece.replace(b"<", b"[") for piece in pieces], body)


async def _lose_the_answer(self: Attempts, *given: Any) -> Any:
    await _respond(self, *given)
    raise UpstreamClosed("on purpose")


async def _let_anybody_in(*_: object) -> bytes:
    return b"u1"


#: What is broken, and in which words a law says it.
BREAKS: Final[dict[str, Break]] = {
    "a service was sent what nobody asked": sends(lambda method, _, lines: _request_head(method, b"/7654321", lines)),
    "became b'PATCH'": sends(lambda _, target, lines: _request_head(b"PATCH", target, lines)),
    "was sent no HTTP: no request line": sends(lambda *_: b"hello\r\n\r\n"),
    "X-Forwarded-For is b'x'": sends(
        lambda method, target, lines: _request_head(method, target, with_another(b"x-forwarded-for", b"x", lines))
    ),
    "a nominated field went upstream": sends(
        lambda method, target, lines: _request_head(method, target, [*lines, (b"X-Hop", b"1")])
    ),
    "got the answer to": sends(
        lambda method, target, lines: _request_head(method, target[:-1] + (b"1" if target[-1:] == b"0" else b"0"), lines)
    ),
    "the service said": answers(lambda status, *given: _response_head(status + 1, *given)),
    "a nominated field came back": answers(
        lambda *given: _response_head(*given).replace(b"\r\n", b"\r\nX-Hop: 1\r\n", 1)
    ),
    "was sent no HTTP: no status line": answers(lambda *_: b"hello\r\n\r\n"),
    "its body was changed on the way": lambda: mock.patch.object(copy_body, "write_all", _change_bodies),
    "the response's body was changed on the way": lambda: mock.patch.object(copy_body, "write_all", _change_bodies),
    "are logged": then(lambda done: setattr(done._record, "response_bytes", done._record.response_bytes + 1)),
    "logged as 299": then(lambda done: setattr(done._record, "status", 299)),
    "is logged 2 times": _log_twice,
    "and is not logged": lambda: mock.patch.object(worker, "join", return_value=Sink()),
    "were delivered": _forget_last_words,
    "what came down the tunnel was changed": _forget_last_words,
    "looks whole": lambda: mock.patch.object(ClientConnection, "deliver_cut", _end_as_if_whole),
    "a cut response looks whole": lambda: mock.patch.object(ClientConnection, "deliver_cut", _end_properly),
    "left over: transport": lambda: mock.patch.object(Stream, "abort", return_value=None),
    "and never answered": lambda: mock.patch.object(Answering, "_answer", _say_nothing),
    "cut as one that takes nothing": lambda: mock.patch.object(Stream, "drain", _be_impatient),
    "s to end": lambda: mock.patch.object(Listener, "cut_all", return_value=None),
    "and nobody had let it in": lambda: mock.patch.object(admission, "ask", _ask_nobody),
    "came in without the right password": lambda: mock.patch.object(admission, "_check_password", _let_anybody_in),
    "X-User is": lambda: mock.patch.object(admission, "ask", _ask_and_name_another),
    "was copied 2 times": lambda: mock.patch.object(exchange, "mirror", _copy_twice),
    "the body of its copy was changed": lambda: mock.patch.object(mirror._Copy, "take", _take_another_body),
    "by us, though": lambda: mock.patch.object(Attempts, "respond", _lose_the_answer),
    ", and not logged": lambda: mock.patch.object(worker, "join", return_value=Sink()),
    "X-Login is": lambda: mock.patch.object(admission, "_check_password", _let_anybody_in),
    "its password went upstream": lambda: mock.patch.object(build, "consumed_fields", return_value=[]),
    "refused with the right password": lambda: mock.patch.object(passwords, "_fits", return_value=False),
    "were allowed": lambda: mock.patch.object(admission, "_check_rate", return_value=None),
    "refused by a limit": lambda: mock.patch.object(buckets, "take_token", lambda full_at, *_: (full_at, 1)),
}  # fmt: skip


#: What only some worlds have, and without which nothing there breaks that law.
NEEDS: Final = {
    "and nobody had let it in": "auth service", "came in without the right password": "basic auth",
    "X-User is": "auth service", "was copied 2 times": "mirror", "the body of its copy was changed": "mirror",
    "X-Login is": "basic auth", "its password went upstream": "basic auth",
    "refused with the right password": "basic auth", "were allowed": "rate limit", "refused by a limit": "rate limit",
}  # fmt: skip


@pytest.mark.parametrize("words", BREAKS)
def test_a_law_says_what_breaks_it(words: str) -> None:
    needed = NEEDS.get(words, "")
    seeds = [seed for seed in range(1, _MOST_WORLDS) if not needed or Scenario(seed).has(needed)]
    with simulated_kernel(), BREAKS[words]():
        assert any(words in law for seed in seeds for law in judged(seed)[1])


def test_nothing_stays_broken_after_a_test() -> None:
    assert writer.request_head is _request_head
    assert copy_body.write_all is _write_all
    with simulated_kernel():
        assert not judged(1)[1]
