"""`python -m benchmarks.life`: the same load over onehop, nginx and HAProxy; writes benchmarks/LIFE.md.

Ten reloads, a second apart, then a graceful stop, before which the load has ended what it began. The clients are those
of `tests.harness.steady_load`: keep-alive, new connections, uploads, slow downloads, tunnels.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.harness.programs import NGINX, finder, nginx_user
from tests.harness.programs.process import free_port, launched
from tests.harness.steady_load import CheckedService, SteadyLoad

_RELOADS: Final = 10
_PAUSE_S: Final = 1.0
_REPORT: Final = Path(__file__).parents[1] / "LIFE.md"
_ONEHOP: Final = """
listen = "127.0.0.1:{port}"
workers = 2
access_log = "off"
admin = {{ listen = "" }}
upstreams.a.urls = ["http://127.0.0.1:{upstream}"]
"""
_NGINX: Final = """
{user} worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  upstream a {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://a; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
_HAPROXY: Final = """
global
  nbthread 2
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend all
  bind 127.0.0.1:{port}
  default_backend a
backend a
  server a 127.0.0.1:{upstream}
"""


class _Peer(NamedTuple):
    """A proxy: its configuration, how it is started and told to reload."""

    name: str
    configuration: str
    command: Sequence[str]
    reload: signal.Signals


def _peers() -> Iterator[_Peer]:
    yield _Peer("onehop", _ONEHOP, [sys.executable, "-m", "proxy", "run", "--config", "{file}"], signal.SIGHUP)
    if nginx := NGINX.find():
        yield _Peer("nginx", _NGINX, [nginx, "-c", "{file}", "-p", "{folder}"], signal.SIGHUP)
    if haproxy := finder("haproxy")():
        yield _Peer("HAProxy", _HAPROXY, [haproxy, "-W", "-f", "{file}"], signal.SIGUSR2)


async def _measure(peer: _Peer) -> str:
    service, port = CheckedService(), free_port()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "configuration"
        os.chmod(name, 0o755)  # nginx's workers are another user's
        async with service.serving():
            places = {"port": port, "upstream": service.port, "folder": name, "file": str(file), "user": nginx_user()}
            file.write_text(peer.configuration.format(**places))
            async with launched([word.format(**places) for word in peer.command], port) as server:
                load = SteadyLoad(service, [port])
                async with load.running():
                    for _ in range(_RELOADS):
                        await asyncio.sleep(_PAUSE_S)
                        os.kill(server.pid, peer.reload)
                    await asyncio.sleep(_PAUSE_S)
    twice = sum(count > 1 for count in service.asked.values())
    kinds = {kind: sum(failure.kind == kind for failure in load.failures) for kind in sorted(load.done)}
    lost = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count) or "0"
    return f"| {peer.name} | {load.done.total():,} | {lost} | {twice} | {load.slowest_s * 1000:.0f} ms |"


async def _main() -> None:
    rows = [await _measure(peer) for peer in _peers()]
    head = "| proxy | answers | lost | done twice | slowest small answer |\n| --- | ---: | --- | ---: | ---: |"
    text = (
        f"# What clients lose at reloads\n\n{_RELOADS} reloads, {_PAUSE_S:g} s apart, under a steady load of which every "
        f"answer is\nchecked: keep-alive, new connections, uploads, slow downloads, tunnels. `python -m benchmarks.life` writes this\n"
        f"page.\n\n{head}\n" + "\n".join(rows) + "\n"
    )
    _REPORT.write_text(text)
    print(text)


if __name__ == "__main__":
    asyncio.run(_main())
