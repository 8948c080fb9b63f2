"""One checkout of onehop beside another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load.against import checkout, ratio
from benchmarks.load.samples import Sample
from benchmarks.load.workloads import Measure


def sample(cpu_us: float) -> Sample:
    return Sample(cpu_us, 1000.0, 1.0, 0.0, 0)


def test_the_ratio_is_taken_round_by_round() -> None:
    # The machine was twice as slow in the second round, for both.
    these, others = [sample(50.0), sample(110.0), sample(55.0)], [sample(50.0), sample(100.0), sample(50.0)]
    assert ratio(these, others, Measure.CPU).median == pytest.approx(1.1)


def test_the_other_checkout_is_what_runs(tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "__init__.py").write_text("__version__ = 'of another folder'\n")
    (tmp_path / "proxy" / "__main__.py").write_text("from proxy import __version__; print(__version__)\n")
    other = checkout(tmp_path)
    assert other.program.said_version() == "of another folder"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "proxy"],
        env={**os.environ, **other.environment}, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert done.stdout == "of another folder\n"
