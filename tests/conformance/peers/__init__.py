"""The proxies that the cases are run over, each configured as a careful operator would (the files beside this one).

Every instance is a process of its own in a folder of its own, on a port that was free a moment ago.
"""

import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.harness.programs import CADDY, ENVOY, GO, HAPROXY, HTTPD, NGINX, ONEHOP, Program, nginx_user
from tests.harness.programs.go import build
from tests.harness.programs.process import free_port, launched

_HERE = Path(__file__).parent
_ONEHOP = [
    "--set", "routes.default.upstream=default", "--set", "routes.ruled.upstream=default",
    "--set", "routes.ruled.path=/ruled", "--set", "routes.ruled.request_fields.put.X-Auth-User=a",
]  # fmt: skip
_ONEHOP_SETTINGS = {
    "trusting": ["--set", 'trusted_networks=["127.0.0.0/8"]'],
    "ruled": _ONEHOP,
    "upgrading": ["--set", "upgrades=websocket, tcp, SPDY/3.1"],
    "without-via": ["--set", "via=false"],
    "without-underscores": ["--set", "underscore_names=drop", *_ONEHOP],
}


class Proxy(NamedTuple):
    """A proxy under the cases: which program it is, and how it is configured and started."""

    name: str
    program: Program
    command: Callable[[str, Path, int, int, str], list[str]]  # program, folder, its port, upstream's port, setting
    settings: frozenset[str] = frozenset({"plain"})

    def version(self) -> str:
        """The number of its version."""
        said = self.program.said_version()
        found = re.search(r"\d+\.\d+(?:\.\d+)*", said)
        return found[0] if found else said[:40]


def _filled(name: str, folder: Path, port: int, upstream: int, **more: str) -> str:
    """Write a configuration from its template; its path."""
    text = (_HERE / name).read_text()
    for key, value in {"FOLDER": str(folder), "PORT": str(port), "UPSTREAM": str(upstream), **more}.items():
        text = text.replace(f"@{key}@", value)
    (folder / name).write_text(text)
    return str(folder / name)


def _onehop(program: str, _: Path, port: int, upstream: int, setting: str) -> list[str]:
    return [
        program, "-m", "proxy", "run", "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{upstream}",
        "--workers", "1", "--access-log", "off", *_ONEHOP_SETTINGS.get(setting, []),
    ]  # fmt: skip


def _nginx(program: str, folder: Path, port: int, upstream: int, _: str) -> list[str]:
    return [program, "-p", str(folder), "-c", _filled("nginx.conf", folder, port, upstream, USER=nginx_user())]


def _haproxy(program: str, folder: Path, port: int, upstream: int, _: str) -> list[str]:
    return [program, "-db", "-q", "-f", _filled("haproxy.cfg", folder, port, upstream)]


def _httpd(program: str, folder: Path, port: int, upstream: int, _: str) -> list[str]:
    places = [Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules"), Path("/usr/local/apache2/modules")]
    modules = next((str(place) for place in places if place.exists()), "modules")
    unixd = f"LoadModule unixd_module {modules}/mod_unixd.so\n" if Path(modules, "mod_unixd.so").exists() else ""
    user = unixd + ("User www-data\nGroup www-data" if os.geteuid() == 0 else "")
    configuration = _filled("httpd.conf", folder, port, upstream, MODULES=modules, USER=user)
    return [program, "-DFOREGROUND", "-f", configuration]


def _caddy(program: str, folder: Path, port: int, upstream: int, _: str) -> list[str]:
    configuration = _filled("Caddyfile", folder, port, upstream)
    return [program, "run", "--adapter", "caddyfile", "--config", configuration]


def _envoy(program: str, folder: Path, port: int, upstream: int, _: str) -> list[str]:
    configuration = _filled("envoy.yaml", folder, port, upstream)
    return [program, "-c", configuration, "--disable-hot-restart", "--concurrency", "1", "--log-level", "critical"]


def _go(program: str, _: Path, port: int, upstream: int, __: str) -> list[str]:
    return [str(build(program, _HERE / "main.go")), str(port), str(upstream)]


_SETTINGS = frozenset({"plain", "looping", *_ONEHOP_SETTINGS})
PROXIES = [
    Proxy("onehop", ONEHOP, _onehop, _SETTINGS),
    Proxy("nginx", NGINX, _nginx),
    Proxy("HAProxy", HAPROXY, _haproxy),
    Proxy("Apache httpd", HTTPD, _httpd),
    Proxy("Caddy", CADDY, _caddy),
    Proxy("Envoy", ENVOY, _envoy),
    Proxy("Go ReverseProxy", GO, _go),
]


@asynccontextmanager
async def running(proxy: Proxy, program: str, upstream: int, setting: str) -> AsyncIterator[int]:
    """An instance in front of 127.0.0.1:upstream that listens; its port. Leaving ends it."""
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # Apache's children are somebody else
        port = free_port()
        command = proxy.command(program, folder, port, upstream, setting)
        environment = {"HOME": name, "XDG_DATA_HOME": name, "XDG_CONFIG_HOME": name}
        async with launched(command, port, errors=folder / "output", environment=environment):
            yield port
