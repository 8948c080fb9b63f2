"""The proxies as a row starts them: with several workers, few descriptors, or an output that is broken."""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.harness.programs import HAPROXY, NGINX, ONEHOP, nginx_user
from tests.harness.programs.process import Output, Server, family, free_port, serving, wait_until_listening

_PROGRAMS: Final = {"onehop": ONEHOP, "nginx": NGINX, "haproxy": HAPROXY}
NAMES: Final = tuple(_PROGRAMS)

#: The signal that lets a proxy finish what it has.
GRACEFUL: Final = {"onehop": signal.SIGTERM, "nginx": signal.SIGQUIT, "haproxy": signal.SIGUSR1}


class Wanted(NamedTuple):
    """How a row wants a proxy."""

    upstreams: Sequence[str]  # HOST:PORT of each origin
    workers: int = 1
    descriptors: int = 0  # the limit of open files; 0: the machine's
    log: bool = False
    resolver: str = ""  # nginx and HAProxy resolve again only where they are told whom to ask
    hung: str = ""  # HOST:PORT of another service, for what begins with /hung
    onehop_options: Sequence[str] = ()


def installed(name: str) -> str | None:
    """The program behind a name, or None."""
    return _PROGRAMS[name].find()


def version(name: str) -> str:
    """What a proxy says of its own version."""
    return _PROGRAMS[name].said_version()


def command(name: str, folder: Path, port: int, wanted: Wanted) -> list[str]:
    """The command that starts a proxy; what it needs is written into `folder`."""
    program = installed(name)
    assert program is not None
    match name:
        case "onehop":
            words = [program, "-m", "proxy", "run", "--workers", str(wanted.workers), "--listen", f"127.0.0.1:{port}"]
            words += _onehop_services(wanted)
            words += ["--access-log", "json" if wanted.log else "off", *wanted.onehop_options]
        case "nginx":
            (folder / "nginx.conf").write_text(_nginx(folder, port, wanted))
            words = [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
        case _:
            (folder / "haproxy.cfg").write_text(_haproxy(port, wanted))
            words = [program, "-W", "-f", str(folder / "haproxy.cfg")]
    if wanted.descriptors:
        prlimit = shutil.which("prlimit")
        assert prlimit is not None, "prlimit is part of util-linux"
        words = [prlimit, f"--nofile={wanted.descriptors}:{wanted.descriptors}", *words]
    return words


@contextmanager
def running(
    name: str,
    folder: Path,
    wanted: Wanted,
    *,
    output: Output = subprocess.DEVNULL,
    errors: Output | None = None,
    prefix: Sequence[str] = (),
    port: int = 0,
) -> Iterator[Server]:
    """A proxy that listens; leaving ends it, and all that it started."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    words = [*prefix, *command(name, folder, port, wanted)]
    with serving(words, port, output=output, errors=folder / "errors" if errors is None else errors) as server:
        wait_until_listening(server)
        yield server


def workers(server: Server) -> list[int]:
    """The processes that serve: the children of the first one, but for onehop's control process."""
    others = [pid for pid in family(server.pid)[1:] if pid != server.pid]
    return [pid for pid in others if _name_of(pid) not in ("", "onehop-control")]


def _name_of(pid: int) -> str:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _onehop_services(wanted: Wanted) -> list[str]:
    urls = [f"http://{upstream}" for upstream in wanted.upstreams]
    if not wanted.hung:
        return [word for url in urls for word in ("--upstream", url)]
    values = [
        f"upstreams.service.urls={','.join(urls)}", f"upstreams.hung.urls=http://{wanted.hung}",
        "routes.service.upstream=service", "routes.hung.upstream=hung", "routes.hung.path=/hung",
    ]  # fmt: skip
    return [word for value in values for word in ("--set", value)]


@contextmanager
def balancer(program: str, folder: Path, ports: Sequence[int]) -> Iterator[Server]:
    """HAProxy before replicas on `ports`: it checks each 5 times a second, and asks another where one refuses."""
    port = free_port()
    servers = "\n".join(f"  server s{number} 127.0.0.1:{replica} check" for number, replica in enumerate(ports))
    (folder / "haproxy.cfg").write_text(_BALANCER.format(port=port, servers=servers))
    words = [program, "-db", "-f", str(folder / "haproxy.cfg")]
    with serving(words, port, errors=folder / "errors") as server:
        wait_until_listening(server)
        yield server


_BALANCER: Final = """
defaults
  mode http
  retries 3
  option redispatch 1
  timeout connect 1s
  timeout client 75s
  timeout server 75s
  default-server inter 200ms fall 1 rise 1
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  balance roundrobin
{servers}
"""


def _nginx(folder: Path, port: int, wanted: Wanted) -> str:
    connections = wanted.descriptors or 20_000
    rlimit = "" if wanted.descriptors else "worker_rlimit_nofile 20000;"
    log = "/dev/stdout combined" if wanted.log else "off"
    servers = " ".join(f"server {upstream};" for upstream in wanted.upstreams)
    service, resolver, hung = "service", "", ""
    if wanted.resolver:
        service = "$service"
        resolver = f"resolver {wanted.resolver} valid=1s ipv6=off; set $service {wanted.upstreams[0]};"
        servers = "server 127.0.0.1:9;"
        hung = f"location /hung {{ resolver {wanted.resolver}; set $h {wanted.hung}; proxy_pass http://$h; }}"
    return f"""
{nginx_user()} worker_processes {wanted.workers}; daemon off; pid {folder}/pid; error_log {folder}/error.log;
{rlimit} events {{ worker_connections {connections}; }}
http {{
  access_log {log};
  client_max_body_size 0; keepalive_requests 100000000; keepalive_timeout 75s; proxy_max_temp_file_size 0;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  upstream service {{ {servers} keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096 reuseport;
    {hung if wanted.hung else ""}
    location / {{
      {resolver}
      proxy_pass http://{service}; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Connection ""; proxy_connect_timeout 5s;
    }}
  }}
}}
"""


def _haproxy(port: int, wanted: Wanted) -> str:
    logging = "log stdout format raw local0\n  option httplog" if wanted.log else ""
    resolvers, check, to_hung, hung = "", "", "", ""
    if wanted.resolver:
        resolvers = f"resolvers r\n  nameserver n {wanted.resolver}:53\n  hold valid 1s\n  resolve_retries 1\n"
        check = " resolvers r init-addr last,libc,none resolve-prefer ipv4"
    if wanted.hung:
        to_hung = "  use_backend hung if { path_beg /hung }\n"
        hung = f"backend hung\n  server h {wanted.hung} resolvers r init-addr none resolve-prefer ipv4\n"
    servers = "\n".join(f"  server s{n} {upstream}{check}" for n, upstream in enumerate(wanted.upstreams))
    limit = "" if wanted.descriptors else "  maxconn 12000\n"
    return f"""
global
  nbthread {wanted.workers}
{limit}  no strict-limits
defaults
  mode http
  retries 2
  option redispatch
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  timeout http-request 75s
{resolvers}
frontend f
  bind 127.0.0.1:{port} backlog 4096
  {logging}
  option forwardfor
{to_hung}  default_backend b
{hung}backend b
  http-reuse safe
  balance roundrobin
{servers}
"""
