"""Who may come in by password, and how often: threads that take virtual time, and a clock that is the simulation's."""

import asyncio
import random
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from proxy.exchange import admission, passwords
from proxy.policy.basic_auth import Users
from proxy.policy.rate_limit import SECOND, WRONG_PASSWORDS
from tests.simulation.dice import Dice
from tests.simulation.messages import field_value

if TYPE_CHECKING:
    from tests.simulation.world import World

USER_FIELD: Final = "X-Login"
_USERS: Final = Users({b"u%d" % number: b"$2b$04$" + b"%d" % number * 53 for number in range(3)})
_CHECKS_S: Final = (0.0, 0.1, 0.1, 0.1, 2.0)


class Login:
    """What a request says in `Authorization`, and whether that lets it in."""

    def __init__(self, rng: Dice) -> None:
        name, right = rng.choice(tuple(_USERS.hashes.items()))
        kind = rng.choice(("right", "right", "right", "right", "wrong", "nobody", "none", "broken"))
        self.user = b"nobody" if kind == "nobody" else name
        self.is_right = kind == "right"
        self.is_wrong = kind in ("wrong", "nobody")
        given = b64encode(self.user + b":" + (right if self.is_right else b"guess"))
        self.lines = [b"X-Login: forged"]
        if kind != "none":
            self.lines.append(b"Authorization: Basic " + (b"=" if kind == "broken" else given))


class _UsersFile:
    """Has changed once: when it is first looked at."""

    def __init__(self, *_: object) -> None:
        self.users = _USERS
        self._is_read = False

    def look(self, _: float) -> bool:
        before, self._is_read = self._is_read, True
        return not before


class _Threads:
    """An executor whose jobs take virtual time, so many at once."""

    def __init__(self, most: int, _: str) -> None:
        self._free = most
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def submit(self, job: Callable[..., Any], *args: object) -> "Future[Any]":
        future: Future[Any] = Future()
        self._waiting.append((future, job, args))
        self._begin()
        return future

    def shutdown(self, **_: bool) -> None:
        for future, *_job in self._waiting:
            future.cancel()

    def _begin(self) -> None:
        while self._free and self._waiting:
            future, job, args = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                self._free -= 1
                self._loop.call_later(random.choice(_CHECKS_S), self._end, future, job, args)

    def _end(self, future: "Future[Any]", job: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._free += 1
        future.set_result(job(*args))
        self._begin()


def _fits(password: bytes, hashed: bytes) -> bool:
    return password == hashed


def _now_ns() -> int:
    return round(asyncio.get_running_loop().time() * SECOND)


def simulated_access(patches: ExitStack) -> None:
    """From here on, checks of passwords take virtual time, and rate limits go by it."""
    patches.enter_context(mock.patch.object(passwords, "ThreadPoolExecutor", _Threads))
    patches.enter_context(mock.patch.object(passwords, "UsersFile", _UsersFile))
    patches.enter_context(mock.patch.object(passwords, "_fits", _fits))
    patches.enter_context(mock.patch.object(admission, "monotonic_ns", _now_ns))


def broken_access(world: "World") -> Iterator[str]:
    """Who came in without a password or over the limit, and who was kept out with one, or below it."""
    asked = {b"/%d" % ask.number: (ask, client) for client in world.clients for ask in client.begun}
    arrivals = [arrival for service in world.services for arrival in service.arrivals]
    if world.scenario.has("basic auth"):
        for arrival in [*arrivals, *world.shadow.arrivals]:
            message = arrival.message
            ask, _ = asked.get(message.target, (None, None))
            if ask is None or ask.login is None:
                continue  # another law tells
            if not ask.login.is_right:
                yield f"/{ask.number} came in without the right password"
            elif field_value(message.head, b"x-login") != ask.login.user:
                yield f"/{ask.number}: X-Login is {field_value(message.head, b'x-login')!r}"
            if field_value(message.head, b"authorization") is not None:
                yield f"/{ask.number}: its password went upstream"
    yield from _over_the_limit(world, {arrival.message.target: arrival.at for arrival in reversed(arrivals)})
    yield from _kept_out(world)


def _over_the_limit(world: "World", first_at: dict[bytes, float]) -> Iterator[str]:
    """Requests that came in although their client had no token left. `first_at`: when each came to a service."""
    limit = world.config.routes["r"].rate_limit
    if not limit.requests_per_s:
        return
    by_address: dict[bytes, list[float]] = {}
    for client in world.clients:
        times = [first_at[target] for ask in client.begun if (target := b"/%d" % ask.number) in first_at]
        by_address.setdefault(client.address, []).extend(times)
    for address, times in by_address.items():
        for count, at in enumerate(sorted(times), 1):
            most = limit.burst + at * limit.requests_per_s
            if count > most + 0.01:
                yield f"{address.decode()}: {count} requests within {at:.3f} s, {most:.1f} were allowed"
                return


def _kept_out(world: "World") -> Iterator[str]:
    """Requests that were refused for no reason."""
    burst = world.config.routes["r"].rate_limit.burst
    wrong, asks = Counter[bytes](), Counter[bytes]()
    for client in world.clients:
        asks[client.address] += len(client.begun)
        wrong[client.address] += sum(ask.login is not None and ask.login.is_wrong for ask in client.begun)
    for client in world.clients:
        limited = asks[client.address] > burst > 0 or wrong[client.address] > WRONG_PASSWORDS.burst
        for ask, message in zip(client.begun, client.reader.finals, strict=False):
            if message.status == 429 and not limited:
                yield f"/{ask.number}: refused by a limit that it was far from"
            if message.status != 401 or world.scenario.has("auth service"):
                continue
            if ask.login is None or ask.login.is_right:
                yield f"/{ask.number}: refused with the right password"
