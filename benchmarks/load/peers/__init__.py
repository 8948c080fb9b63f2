"""The proxies beside which onehop is measured, and onehop: how each is configured and started.

All get the same: one worker or thread, keep-alive on both sides, X-Forwarded-For, WebSocket, HTTP/1.0 with keep-alive,
bodies streamed, no access log. With the log, each writes one line per request to a file: JSON where it can, else its
usual line. onehop runs with its defaults; peers may keep more idle upstream connections than any workload needs, where
their own default is small.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.peers import configurations
from benchmarks.load.processes import PROXY_CORE, pinned
from tests.harness.programs import AIOHTTP, CADDY, ENVOY, GO, HAPROXY, NGINX, ONEHOP, UVLOOP, Program
from tests.harness.programs.go import build
from tests.harness.programs.process import Server, free_port, serving


class Place(NamedTuple):
    """Where one run of a proxy happens."""

    folder: Path
    port: int
    upstream_port: int
    log: bool
    streams: bool = False  # a response is to be passed on piece by piece, none held back


class Proxy(NamedTuple):
    """A proxy that can be measured."""

    name: str
    program: Program
    command: Callable[[str, Place], list[str]]
    environment: Mapping[str, str] = {}
    logs: bool = True

    def start(
        self, folder: Path, upstream_port: int, *, log: bool, streams: bool = False
    ) -> AbstractContextManager[Server]:
        """Start it. What it writes to standard output goes to a file if it is to log."""
        program = self.program.find()
        assert program is not None
        folder.mkdir(parents=True)
        place = Place(folder, free_port(), upstream_port, log, streams)
        return serving(
            pinned(self.command(program, place), PROXY_CORE), place.port,
            output=folder / "access.log" if log else subprocess.DEVNULL, errors=folder / "errors", environment=self.environment,
        )  # fmt: skip


ROOT: Final = Path(__file__).parents[3]
COMPILED: Final = ROOT / ".cache" / "compiled" / "tree"  # where `make test-compiled` leaves a compiled copy


def is_compiled_here() -> bool:
    """Whether the compiled copy is there, and of these sources."""
    modules = [path.relative_to(ROOT) for path in (ROOT / "proxy").rglob("*.py")]
    copies = ((COMPILED / module, ROOT / module) for module in modules)
    return all(copy.is_file() and copy.read_bytes() == source.read_bytes() for copy, source in copies)


def _compiled_python() -> str | None:
    return sys.executable if is_compiled_here() else None


def _compiled_version(python: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(COMPILED)!r}); from proxy.cli.main import main; main(['--version'])"
    return [python, "-P", "-c", code]


ONEHOP_COMPILED: Final = Program("onehop-compiled", "make test-compiled", _compiled_python, _compiled_version)


def _onehop(reader: str) -> Callable[[str, Place], list[str]]:
    def command(python: str, place: Place) -> list[str]:
        # -P: what PYTHONPATH names goes before the folder that we are in.
        return [
            python, "-P", "-m", "proxy", "run", "--workers", "1", "--reader", reader,
            "--listen", f"127.0.0.1:{place.port}", "--upstream", f"http://127.0.0.1:{place.upstream_port}",
            "--access-log", "json" if place.log else "off",
        ]  # fmt: skip

    return command


def _nginx(program: str, place: Place) -> list[str]:
    path = configurations.nginx(place.folder, place.port, place.upstream_port, log=place.log)
    return [program, "-c", str(path), "-p", str(place.folder)]


def _haproxy(program: str, place: Place) -> list[str]:
    path = configurations.haproxy(place.folder, place.port, place.upstream_port, log=place.log, streams=place.streams)
    return [program, "-f", str(path)]


def _envoy_command(program: str, place: Place) -> list[str]:
    path = configurations.envoy(place.folder, place.port, place.upstream_port, log=place.log)
    return [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "off"]


def _caddy(program: str, place: Place) -> list[str]:
    path = configurations.caddy(place.folder, place.port, place.upstream_port, log=place.log)
    return [program, "run", "--config", str(path), "--adapter", "caddyfile"]


def _go(program: str, place: Place) -> list[str]:
    return [
        str(build(program, Path(__file__).with_name("reverseproxy.go"))),
        f"127.0.0.1:{place.port}",
        f"http://127.0.0.1:{place.upstream_port}",
    ]


def _aiohttp(python: str, place: Place) -> list[str]:
    words = [python, "-m", "benchmarks.load.peers.aiohttp_proxy", str(place.port), str(place.upstream_port)]
    return [*words, "log"] if place.log else words


def _byte_pipe(python: str, place: Place) -> list[str]:
    return [python, "-m", "benchmarks.load.peers.byte_pipe", str(place.port), str(place.upstream_port)]


_ONE_THREAD: Final = {"GOMAXPROCS": "1"}

PROXIES: Final = [
    Proxy("onehop", ONEHOP, _onehop("auto"), {"PYTHONPATH": str(ROOT)}),
    Proxy("onehop-compiled", ONEHOP_COMPILED, _onehop("auto"), {"PYTHONPATH": str(COMPILED)}),
    Proxy("onehop-h11", ONEHOP, _onehop("h11"), {"PYTHONPATH": str(ROOT)}),
    Proxy("onehop-h11-compiled", ONEHOP_COMPILED, _onehop("h11"), {"PYTHONPATH": str(COMPILED)}),
    Proxy("nginx", NGINX, _nginx),
    Proxy("haproxy", HAPROXY, _haproxy),
    Proxy("envoy", ENVOY, _envoy_command),
    Proxy("caddy", CADDY, _caddy, _ONE_THREAD),
    # The standard library has no access log: what it cost would be ours.
    Proxy("go", GO, _go, _ONE_THREAD, logs=False),
    Proxy("aiohttp", AIOHTTP, _aiohttp),
    # No proxy: it reads nothing of what it passes on.
    Proxy("byte-pipe", UVLOOP, _byte_pipe, logs=False),
]
