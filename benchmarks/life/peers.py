"""The proxies that live through it: their configurations, and how each is told what to do."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import Signals
from typing import Final, NamedTuple

from tests.harness.programs import NGINX, finder
from tests.harness.programs.process import family

_ONEHOP: Final = """
listen = "127.0.0.1:{port}"
workers = 2
access_log = "off"
admin.listen = ""
shutdown_delay_s = {delay_s}
timeouts.drain_s = 6
upstreams.a.urls = ["http://127.0.0.1:{upstream}"]
upstreams.a.health_check.interval_s = 1
"""
_NGINX: Final = """
{user} worker_processes 2; daemon off; worker_shutdown_timeout 6s; pid {folder}/nginx.pid; error_log {folder}/error.log;
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
  grace {delay_s}s
  hard-stop-after 6s
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
#: In front of two instances, of whichever proxy.
BALANCER: Final = """
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout tunnel 30s
  retries 3
  option redispatch 1
frontend all
  bind 127.0.0.1:{front}
  default_backend replicas
backend replicas
  server a 127.0.0.1:{ports[0]} check inter 100ms fall 1 rise 1
  server b 127.0.0.1:{ports[1]} check inter 100ms fall 1 rise 1
"""


class Peer(NamedTuple):
    """A proxy: its configuration, how it is started, and its signals."""

    name: str
    configuration: str
    command: Sequence[str]
    reload: Signals
    stop: Signals  # without cutting what is under way
    worker: str = ""  # how its worker processes are called; "": it has none
    delays_its_stop: bool = False


def peers() -> Iterator[Peer]:
    """Those that this machine has."""
    onehop = [sys.executable, "-m", "proxy", "run", "--config", "{file}"]
    yield Peer("onehop", _ONEHOP, onehop, Signals.SIGHUP, Signals.SIGTERM, "onehop-worker", delays_its_stop=True)
    if nginx := NGINX.find():
        yield Peer("nginx", _NGINX, [nginx, "-c", "{file}", "-p", "{folder}"], Signals.SIGHUP, Signals.SIGQUIT, "nginx")
    if haproxy := finder("haproxy")():
        command = [haproxy, "-W", "-f", "{file}"]
        yield Peer("HAProxy", _HAPROXY, command, Signals.SIGUSR2, Signals.SIGUSR1, delays_its_stop=True)


def children(pid: int, name: str) -> list[int]:
    """The processes of that name below one."""
    return [child for child in family(pid)[1:] if Path(f"/proc/{child}/comm").read_text().strip() == name]
