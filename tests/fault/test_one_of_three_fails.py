"""One of three origins fails under a steady load, with real processes: what `make faults` measures, for onehop alone."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.measure import measure
from benchmarks.faults.trio import FAULTS, Fault
from benchmarks.stress.names import NameServer, asking_us
from benchmarks.stress.row import NotRun

#: POSTs that may fail: they were on their way, or came before three requests had failed. GETs never fail.
MOST_POSTS = {
    "killed": 3,
    "frozen (SIGSTOP)": 35,
    "resets each request": 12,
    "answers after 3 s": 35,
    "answers 503": 12,
    "restarted": 3,
    "moved to another address": 3,
}


@pytest.fixture
def names(tmp_path: Path) -> Iterator[NameServer | None]:
    """A name server that proxies ask, where this machine lets us have one."""
    with contextlib.ExitStack() as serving:
        found: NameServer | None = None
        with contextlib.suppress(NotRun):
            asking_us(tmp_path / "tried")
            found = serving.enter_context(NameServer({}).serving())
        yield found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_gets_do_not_fail_and_no_post_arrives_twice(fault: Fault, tmp_path: Path, names: NameServer | None) -> None:
    if fault.needs_names and names is None:
        pytest.skip("a name server of our own needs root")
    outcome = measure("onehop", "same", fault, tmp_path / "run", names, quick=True)
    assert outcome.asked > 200
    assert outcome.twice == 0
    assert outcome.failed_gets == 0, outcome.kinds
    assert outcome.failed_posts <= MOST_POSTS[fault.name], outcome.kinds
