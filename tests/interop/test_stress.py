"""Rows of `make stress` in their quick form: what one failure costs the clients of onehop itself."""

from pathlib import Path

import pytest

from benchmarks.stress.origins import Origins
from benchmarks.stress.row import NotRun, Setting
from benchmarks.stress.rows import ROWS
from tests.harness.programs.process import free_port

pytestmark = pytest.mark.interop

MOST_FAILED = {
    "worker killed": 2,  # what it had under way
    "the access log's output is a full pipe that nobody reads": 0,
    "standard error is a full device": 0,
    "services restarted, GET": 0,
    "the name server falls silent": 0,
    "graceful stop": 0,
    "two replicas rolled, GET": 0,
}


@pytest.mark.parametrize("name", MOST_FAILED)
def test_one_failure_costs_others_nothing(name: str, tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.name == name)
    with Origins([free_port()]) as origins:
        try:
            figure = row.measure(Setting("onehop", tmp_path, origins.addresses, quick=True))
        except NotRun as exc:
            pytest.skip(str(exc))
    assert figure.value <= MOST_FAILED[name], figure.text
