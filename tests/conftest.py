"""Fixtures that every folder may use, and the rule for programs that a machine may lack."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from proxy.cli.compiled import is_compiled
from tests.harness.running_proxy import READERS

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


#: Here the proxy is a process with a loop of its own: that of the test makes no difference.
ON_ONE = ("interop",)


def loops_of(path: Path) -> list[str]:
    """The loops on which the tests of a file run where nobody asks for one."""
    return ["asyncio"] if path.parent.name in ON_ONE else list(LOOPS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--loop",
        choices=LOOPS,
        help="the event loop that all tests run on; default: both, and asyncio's own where the proxy is a process",
    )


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    wanted = config.getoption("--loop")
    return {name: LOOPS[name] for name in ([wanted] if wanted else loops_of(item.path))}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> str:
    """Both readers: whatever is tested with this fixture must hold for either."""
    return str(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if is_compiled():
        skip = pytest.mark.skip(reason="replaces what is compiled")
        for item in items:
            if item.get_closest_marker("interpreted") is not None:
                item.add_marker(skip)


def require_programs(*programs: str) -> None:
    """Skip where a program is missing, with a line that says what to install; fail instead where CI=true."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        line = f"needs {', '.join(missing)}: install with `apt-get install {' '.join(missing)}`"
        if os.environ.get("CI") == "true":
            pytest.fail(line)
        pytest.skip(line)
