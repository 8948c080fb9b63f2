"""`python -m tests.mutation`: a sample of the mutants of some modules; prints those that no test notices.

Each mutant runs in a process of its own, which sees the changed module in place of the real one: first simulated worlds,
then the unit and property tests of its folder, then those over real sockets, until something fails.
"""

import argparse
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.mutation.mutants import Mutant, mutants

_ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("exchange", "transport", "upstream", "http1")
_WORLDS: Final = 150
_MOST_S: Final = 240.0  # for one mutant
#: Else pytest would load proxy/http1/parsing/self_test.py itself, unchanged: it looks like a file of tests.
_ONLY_TESTS: Final = ("-o", "python_files=test_*.py")
_OPTIONS: Final = ("-q", "-x", "--no-header", "-p", "no:cacheprovider", *_ONLY_TESTS, "--loop", "asyncio")
_UNDECIDED: Final = "nothing yet: no end"  # a loop without end, or tests that take long
_TESTS: Final = {
    "exchange": ("tests/unit/exchange", "tests/fault", "tests/integration"),
    "transport": ("tests/unit/transport", "tests/fault"),
    "upstream": ("tests/unit/upstream", "tests/property", "tests/fault", "tests/integration"),
    "http1": ("tests/unit/http1", "tests/property", "tests/unit/policy", "tests/integration"),
}


class _Changed(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Gives one module another source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)  # that is the point


def _noticed_by(folder: str, *, quick: bool) -> str:
    """What fails, in a process in which a module is changed; "" where nothing does."""
    from tests.simulation.search import look_at  # imports the proxy: only now, when the changed module is in its place

    if look_at(range(1, _WORLDS + 1), notes_states=False).broken:
        return "simulation"
    import pytest

    for tests in _TESTS[folder][: 1 if quick else None]:
        if pytest.main([*_OPTIONS, tests]) != 0:
            return tests
    return ""


def notice(name: str, path: Path, mutant: Mutant, *, quick: bool) -> str:
    """What notices this mutant; "" where nothing does. Where the tests have not ended in time, `_UNDECIDED`."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        sys.meta_path.insert(0, _Changed(name, path, mutant.applied(path.read_text())))
        said = "an exception"
        with contextlib.suppress(BaseException):
            said = _noticed_by(name.split(".")[1], quick=quick)
        os.write(theirs, b"." + said.encode())
        os._exit(0)
    os.close(theirs)
    os.set_blocking(ours, False)
    ends_at = time.monotonic() + _MOST_S
    heard = b""
    while not heard and time.monotonic() < ends_at:
        time.sleep(0.05)
        with contextlib.suppress(BlockingIOError):
            heard = os.read(ours, 1000) or b".the process ended"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(ours)
    return heard[1:].decode() if heard else _UNDECIDED


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    options.add_argument("folders", nargs="*", default=FOLDERS, help="of proxy/")
    options.add_argument("--each", type=int, default=2, help="mutants of a module")
    options.add_argument("--quick", action="store_true", help="only simulated worlds and unit tests")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--seconds", type=float, default=1e9, help="for how long")
    given = options.parse_args()
    began, counts = time.monotonic(), Counter[str]()
    rng = random.Random(given.seed)  # no secret
    chosen = []
    for folder in given.folders:
        for path in sorted((_ROOT / "proxy" / folder).rglob("*.py")):
            found = mutants(path.read_text())
            chosen += [(path, mutant) for mutant in rng.sample(found, min(given.each, len(found)))]
    rng.shuffle(chosen)  # so that a run that is cut short has seen some of everything
    for path, mutant in chosen:
        if time.monotonic() - began > given.seconds:
            break
        name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        by = notice(name, path, mutant, quick=given.quick)
        counts[by or "nothing"] += 1
        if not by or by == _UNDECIDED:
            print(
                f"{'UNDECIDED' if by else 'SURVIVES'} {path.relative_to(_ROOT)}:{mutant.line}: {mutant.what}",
                flush=True,
            )
    print(f"{counts.total()} of {len(chosen)} mutants in {time.monotonic() - began:.0f} s; noticed by: {dict(counts)}")
    return 1 if counts["nothing"] else 0


if __name__ == "__main__":
    sys.exit(main())
