"""Fixtures that every folder may use, and the rule for programs that a machine may lack."""

import os
import shutil

import pytest

READERS = ["auto", "h11"]


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> str:
    """Both readers: whatever is tested with this fixture must hold for either."""
    return str(request.param)


def require_programs(*programs: str) -> None:
    """Skip where a program is missing, with a line that says what to install; fail instead where CI=true."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        line = f"needs {', '.join(missing)}: install with `apt-get install {' '.join(missing)}`"
        if os.environ.get("CI") == "true":
            pytest.fail(line)
        pytest.skip(line)
