"""One fault behind one proxy, under a steady load: how many requests failed, and when the last of them was made."""

import contextlib
import random
import time
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.faults.fleet import running
from benchmarks.faults.trio import Fault, Trio, befallen
from benchmarks.stress.load import Load, loaded
from benchmarks.stress.names import NameServer
from benchmarks.stress.requests import wait_for_answer

_GETS: Final = 60.0  # a second
_POSTS: Final = 30.0
_BEFORE_S: Final = 1.5
_AFTER_S: Final = 4.0


class Outcome(NamedTuple):
    """What a fault cost."""

    asked: int
    failed_gets: int
    failed_posts: int
    recovered_s: float  # from the fault's beginning to the last request that failed; 0: none did
    twice: int  # POSTs that arrived at more than one origin, or more than once
    kinds: str = ""

    @property
    def failed(self) -> int:
        """Requests of both kinds."""
        return self.failed_gets + self.failed_posts

    @property
    def text(self) -> str:
        """For a cell of the table."""
        if not self.failed:
            return "0"
        twice = f", **{self.twice} twice**" if self.twice else ""
        return f"{self.failed} ({self.failed_posts} POST), {self.recovered_s:.1f} s{twice}"


def measure(
    name: str, kind: str, fault: Fault, folder: Path, names: NameServer | None, *, quick: bool = False, seed: int = 1
) -> Outcome:
    """Let a fault befall an origin behind a proxy, with settings of one kind. Raises RuntimeError where the proxy does
    not serve."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as running_now:
        trio = running_now.enter_context(Trio(folder, names, name))
        proxy = running_now.enter_context(running(name, folder, trio.addresses, names, kind))
        wait_for_answer(proxy.port)
        with (
            loaded(proxy.port, keep_alive=True, rate=_GETS, chance=random.Random(seed)) as gets,
            loaded(proxy.port, keep_alive=True, rate=_POSTS, method="POST", chance=random.Random(-seed)) as posts,
        ):
            time.sleep(_BEFORE_S)
            with befallen(fault, trio, lasts_s=fault.lasts_s / 2 if quick else fault.lasts_s) as begun:
                time.sleep(_AFTER_S / 2 if quick else _AFTER_S)
        return _outcome(gets, posts, begun, trio.arrived_twice())


def _outcome(gets: Load, posts: Load, begun: float, twice: int) -> Outcome:
    last = max([*gets.failed_at, *posts.failed_at], default=begun)
    asked = sum(load.answered + load.failures for load in (gets, posts))
    kinds = ", ".join(f"{count} {kind}" for kind, count in (gets.failed + posts.failed).most_common(3))
    return Outcome(asked, gets.failures, posts.failures, max(0.0, last - begun), twice, kinds)
