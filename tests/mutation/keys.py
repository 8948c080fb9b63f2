"""`python -m tests.mutation.keys`: does a test fail where a key of the configuration is ignored?

A copy of the project takes the default in place of each key's value, one after another, in whatever `Config` is made: in
tests, and in the processes that they start. The tests that name the key and look at behaviour run until one fails. What
only reads configurations (`tests/unit/config`) does not count.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.unit.config.test_every_key import KEYS

_ROOT: Final = Path(__file__).parents[2]
_COPIED: Final = ("proxy", "tests", "config", "docs", "benchmarks", "deploy", "pyproject.toml", "README.md")
_FOLDERS: Final = ("integration", "fault", "conformance", "unit/cli", "interop")  # the quick ones first
_MOST_FILES: Final = 6  # of a folder, those that name the key most often: a key like `path` is in all of them
_MOST_S: Final = 400
#: It looks at objects, not at what comes of them.
_NO_BEHAVIOUR: Final = (
    "tests/integration/test_route_settings.py::test_every_time_and_limit_of_a_route_is_that_of_its_connections"
)
#: Without a default, or read before there is a configuration.
_NEVER_IGNORED: Final = (
    "include", "listeners.n.address", "listeners.n.tls.certificates[certificate", "upstreams.n.origins[url",
    "routes.n.upstream", "routes.n.split[upstream", "routes.n.redirect.to", "routes.n.mirror.upstream",
)  # fmt: skip
#: What `Config` gets in the copy.
_IGNORES: Final = """

def _ignored(value, path):
    name, rest = path[0], path[1:]
    if value is None or value is msgspec.UNSET:
        return value
    if name == "n":
        return {key: _ignored(each, rest) for key, each in value.items()}
    if isinstance(value, list):
        return [_ignored(each, path) for each in value]
    [field] = [each for each in msgspec.structs.fields(type(value)) if each.encode_name == name]
    if rest:
        new = _ignored(getattr(value, name), rest)
    else:
        new = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    msgspec.structs.force_setattr(changed := msgspec.structs.replace(value), name, new)
    return changed


def _ignore_one(config):
    import os

    path = os.environ["IGNORED_KEY"].replace("[", ".").split(".")
    if "busy" not in _state:
        _state.add("busy")
        msgspec.structs.force_setattr(config, path[0], getattr(_ignored(config, path), path[0]))
        _state.discard("busy")


_state = set()
"""


def main() -> int:
    """Print the keys that can be ignored; return 1 if there are any."""
    options = argparse.ArgumentParser(prog="python -m tests.mutation.keys", description=__doc__)
    options.add_argument("keys", nargs="*", help="such as routes.n.timeouts.linger_s, or how several begin")
    given = options.parse_args()
    wanted = [key for key in KEYS if key not in _NEVER_IGNORED and key.startswith(tuple(given.keys) or "")]
    survived = []
    with tempfile.TemporaryDirectory(prefix="onehop-keys-") as name:
        copy = _copied(Path(name))
        for key in wanted:
            began = time.monotonic()
            by = _noticed_by(key, copy)
            print(f"{key}: {by or 'NOBODY'} ({time.monotonic() - began:.0f} s)", flush=True)
            survived += [] if by else [key]
    print(f"{len(wanted) - len(survived)} of {len(wanted)} keys are missed by a test; not by any: {survived}")
    return min(len(survived), 1)


def _copied(folder: Path) -> Path:
    for name in _COPIED:
        source = _ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    model = folder / "proxy" / "config" / "model.py"
    model.write_text(
        f"{model.read_text()}\n    def __post_init__(self) -> None:\n        _ignore_one(self)\n{_IGNORES}"
    )
    return folder


def _noticed_by(key: str, copy: Path) -> str:
    """The first test that fails; "" where none does."""
    environment = {"TEST_PATIENCE": "2", **os.environ, "IGNORED_KEY": key}
    for files in _files_about(key, copy):
        pytest = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "--loop",
            "asyncio",
            "--deselect",
            _NO_BEHAVIOUR,
            *files,
        ]
        done = subprocess.run(
            pytest, cwd=copy, env=environment, capture_output=True, text=True, timeout=_MOST_S, check=False
        )
        found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        if done.returncode == 1 and found is not None:
            return found[1]
        assert done.returncode in (0, 5), done.stdout + done.stderr
    return ""


def _files_about(key: str, copy: Path) -> Iterator[list[str]]:
    """Of each folder, the files that name the key and its table, those first that name it most often."""
    parts = [part for part in re.split(r"[.\[]", key) if part != "n"]
    leaf, table = parts[-1], parts[-2] if len(parts) > 1 else ""
    camel = "".join(word.title() for word in table.split("_"))
    for folder in _FOLDERS:
        counted = []
        for file in (copy / "tests" / folder).glob("test_*.py"):
            text = file.read_text()
            if table not in ("", "upstreams", "routes", "listeners") and not re.search(rf"{table}|{camel}", text):
                continue
            if key.startswith(("routes.n.timeouts", "routes.n.limits")) and f"Route{camel}Config" not in text:
                continue
            if times := len(re.findall(rf"\b{leaf}\b", text)):
                counted.append((times, str(file.relative_to(copy))))
        if counted:
            yield [file for _, file in sorted(counted, reverse=True)[:_MOST_FILES]]


if __name__ == "__main__":
    sys.exit(main())
