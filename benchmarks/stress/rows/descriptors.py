"""Few descriptors, many clients: how many get an answer."""

from functools import partial
from typing import Final

from benchmarks.stress.fleet import Wanted, running
from benchmarks.stress.requests import answers_to
from benchmarks.stress.row import Figure, Row, Setting


def _answered(descriptors: int, clients: int, setting: Setting) -> Figure:
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams, descriptors=descriptors)) as server:
        statuses = answers_to(server.port, clients, "/small", hold_s=1.0)
    answered = statuses.count(200)
    others = {status: statuses.count(status) for status in set(statuses) - {200}}
    said = ", ".join(f"{count} x {status or 'nothing'}" for status, count in sorted(others.items()))
    return Figure(answered, f"{answered} of {clients} got a 200" + (f"; {said}" if said else ""))


ROWS: Final = [
    Row(
        f"{descriptors} descriptors, {clients} clients", "each keeps its connection for a second",
        partial(_answered, descriptors, clients), fewer=False,
    )
    for descriptors, clients in ((64, 100), (256, 400))
]  # fmt: skip
