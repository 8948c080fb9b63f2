"""Fixtures that every folder may use, and the rule for programs that a machine may lack."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.harness.running_proxy import READERS

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=LOOPS, default="asyncio", help="the event loop that tests run on")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    name = config.getoption("--loop")
    return {name: LOOPS[name]}


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
