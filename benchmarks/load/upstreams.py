"""The services behind every proxy: nginx for plain answers, and `service` for all that nginx does not do."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.peers.configurations import nginx_preamble
from benchmarks.load.processes import LOAD_CORE, pinned
from tests.harness.programs import NGINX
from tests.harness.programs.process import free_port, serving, wait_until_listening

SMALL: Final = 128
KB_64: Final = 65_536
MB_10: Final = 10_000_000


class Upstreams(NamedTuple):
    """Their ports."""

    plain: int
    service: int


@contextmanager
def upstreams(folder: Path) -> Iterator[Upstreams]:
    """Both, on the core that the load has."""
    nginx = NGINX.find()
    assert nginx is not None
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "64k").write_bytes(b"x" * KB_64)
    (folder / "files" / "10m").write_bytes(b"x" * MB_10)
    plain, service = free_port(), free_port()
    path = folder / "nginx.conf"
    path.write_text(f"""
{nginx_preamble(folder)}
http {{
  access_log off; keepalive_requests 100000000; sendfile on; open_file_cache max=16;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{plain} backlog=4096; root {folder}/files;
    location /small {{ return 200 "{"x" * SMALL}"; }}
    location /64k {{ try_files /64k =404; }}
    location /10m {{ try_files /10m =404; }}
  }}
}}
""")
    commands = {
        plain: [nginx, "-c", str(path), "-p", str(folder)],
        service: [sys.executable, "-m", "benchmarks.load.service", str(service)],
    }
    with contextlib.ExitStack() as running:
        for port, command in commands.items():
            wait_until_listening(running.enter_context(serving(pinned(command, LOAD_CORE), port)))
        yield Upstreams(plain, service)
