"""The service behind every proxy: nginx for plain answers, and a small one of our own for what nginx does not do."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load.proxies import free_port, started

_CONFIG = """
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 100000000; client_max_body_size 0; client_body_buffer_size 64k;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5; sendfile on;
  upstream own {{ server 127.0.0.1:{own}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/files;
    location /small {{ return 200 "{small}"; }}
    location /chunked {{ proxy_pass http://own; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
    location /sink {{ proxy_pass http://own; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }}
  }} }}
"""


@contextmanager
def serving(folder: Path, cpu: int | None) -> Iterator[int]:
    """The service; yields its port."""
    folder.mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "files" / "64k").write_bytes(b"x" * 65_536)
    (folder / "files" / "10m").write_bytes(b"x" * 10_000_000)
    port, own = free_port(), free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_CONFIG.format(folder=folder, port=port, own=own, small="x" * 128, user=user))
    with (
        started([sys.executable, "-m", "benchmarks.load.service", str(own)], own, cpu=cpu),
        started(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)], port, cpu=cpu),
    ):
        yield port


class Own(asyncio.Protocol):
    """Answers `/chunked` in three chunks, and anything else, once its body has arrived, with 128 bytes."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "write")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b""
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            self._left = length - len(body)
            self._chunked = b"/chunked" in lines[0]
        if self._left <= 0:
            self._transport.write(_THREE_CHUNKS if self._chunked else _SMALL)  # type: ignore[attr-defined]


_THREE_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + 3 * (b"12c\r\n" + b"x" * 300 + b"\r\n") + b"0\r\n\r\n"
)
_SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n" + b"x" * 128


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Own, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
