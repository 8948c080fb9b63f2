"""`python -m benchmarks.life`: what clients lose while a proxy lives; writes benchmarks/LIFE.md.

The same load over onehop, and over nginx and HAProxy where they have the same thing. The clients are those of
`tests.harness.steady_load`: keep-alive, new connections, uploads, slow downloads, tunnels.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.life import events, growth
from benchmarks.life.events import DELAY_S, KILLS, PAUSE_S, RELOADS, Event, Outcome
from benchmarks.life.peers import Peer, peers
from benchmarks.load.machine import describe_machine
from tests.harness.programs import finder

_REPORT: Final = Path(__file__).parents[1] / "LIFE.md"
_HEAD: Final = (
    "| proxy | answers | lost | with a killed worker | done twice | slowest small answer |\n"
    "| --- | ---: | --- | ---: | ---: | ---: |\n"
)


class _Section(NamedTuple):
    title: str
    said: str
    event: Event
    has: Callable[[Peer], bool]


_SECTIONS: Final = (
    _Section(
        f"{RELOADS} reloads", f"The configuration is read again {RELOADS} times, {PAUSE_S:g} s apart.",
        events.reloads, lambda _: True,
    ),
    _Section(
        f"{KILLS} worker kills",
        "SIGKILL to a worker, twice. What was in its hands is lost with any proxy, and counted apart. HAProxy has threads, "
        "not workers.",
        events.worker_kills, lambda peer: bool(peer.worker),
    ),
    _Section(
        "A kill of the control process", "SIGKILL to the process that checks health and serves metrics.",
        events.control_kill, lambda peer: peer.name == "onehop",
    ),
    _Section(
        "A stop with a delay",
        f"Told to stop, the proxy serves on for {DELAY_S} s, in which a balancer finds out: `shutdown_delay_s` of onehop, `grace` "
        "of HAProxy. nginx has no such thing.",
        events.delayed_stop, lambda peer: peer.delays_its_stop,
    ),
    _Section(
        "A rolling restart of two instances",
        "Behind HAProxy, which asks for their port every 100 ms: each is stopped (SIGTERM, SIGQUIT, SIGUSR1), and started again "
        "once it has ended.",
        events.rolling_restart, lambda _: finder("haproxy")() is not None,
    ),
)  # fmt: skip


def _row(peer: Peer, outcome: Outcome) -> str:
    load = outcome.load
    twice = sum(count > 1 for count in load.service.asked.values())
    others = [failure for failure in load.failures if failure.local_port not in outcome.lost_with_workers]
    kinds = {kind: sum(failure.kind == kind for failure in others) for kind in sorted(load.done)}
    lost = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count) or "0"
    with_workers = str(len(load.failures) - len(others)) if outcome.lost_with_workers else "–"
    return f"| {peer.name} | {load.done.total():,} | {lost} | {with_workers} | {twice} | {load.slowest_s * 1000:.0f} ms |\n"


async def _main() -> None:
    text = (
        "# What clients lose while a proxy lives\n\n"
        "A steady load of which every answer is checked: 4 keep-alive clients, 2 that open a connection for each request, 2\n"
        "uploads, 3 slow downloads and 3 tunnels at any time. `python -m benchmarks.life` writes this page; it takes\n"
        "three minutes, and each row is one run. What is under way when a proxy stops has 6 s with each.\n\n"
        f"Measured on {describe_machine().partition(';')[0]}, whose load was {os.getloadavg()[0]:.1f} when it began: what\n"
        "other programs do beside it shows in the slowest answers.\n"
    )
    for section in _SECTIONS:
        text += f"\n## {section.title}\n\n{section.said}\n\n{_HEAD}"
        for peer in peers():
            if section.has(peer):
                row = _row(peer, await section.event(peer))
                print(f"{section.title}: {row}", end="", flush=True)
                text += row
    text += growth.section(await growth.measure())
    _REPORT.write_text(text)


if __name__ == "__main__":
    asyncio.run(_main())
