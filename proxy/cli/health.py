"""`onehop health`: the health check of a container."""

import contextlib
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Final

import click

from proxy.config.build import listen_addresses, parse_listen
from proxy.config.sources import load

_HEALTH_S: Final = 2.0


@click.command(short_help="Ask the local instance whether it serves.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file; default: the one that ONEHOP_CONFIG names.")
@click.option("--listen", metavar="HOST:PORT", help="Address to ask; default: the first one that is configured.")
def health(config: Path | None, listen: str | None) -> None:
    """Ask the local instance whether it serves: exit status 0 if it does, else 1."""
    # Only the address is needed: the upstream may have been given to `run` as an option.
    loaded = load(config, os.environ, {"listen": [listen]} if listen else {}, needs_upstream=False)
    if loaded.config is None:
        click.echo(f"onehop: {loaded.problems[0]}", err=True)
        raise SystemExit(1)
    configured = listen_addresses(loaded.config)[0]
    listener = next(iter(loaded.config.listeners.values()), None) if not loaded.config.listen else None
    try:
        answer = _own_answer(*parse_listen(configured), tls=listener is not None and bool(listener.tls.certificates))
    except OSError as exc:
        click.echo(f"onehop: {configured} does not answer: {exc.strerror or exc}", err=True)
        raise SystemExit(1) from exc
    if not answer.startswith(b"HTTP/1.1 200 "):
        status_line = answer.partition(b"\r\n")[0].decode("ascii", "backslashreplace")
        click.echo(f"onehop: {configured} answers {status_line or 'nothing'!r}", err=True)
        raise SystemExit(1)


def _own_answer(host: str, port: int, *, tls: bool) -> bytes:
    """The head of the answer to `OPTIONS *` with `Max-Forwards: 0`, which the proxy itself answers. Raises OSError."""
    ends_at = time.monotonic() + _HEALTH_S
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(connected(host, port))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False  # its certificate is not for the loopback address
            context.verify_mode = ssl.CERT_NONE
            connection = stack.enter_context(context.wrap_socket(connection))
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer and len(answer) < 65_536:
            connection.settimeout(max(ends_at - time.monotonic(), 0.001))  # 0 would mean non-blocking
            if not (arrived := connection.recv(4096)):
                break
            answer += arrived
    return answer


def connected(host: str, port: int) -> socket.socket:
    """A connection to a local instance that listens there, on every interface or on a Unix socket. Raises OSError."""
    if not host.startswith("/"):
        try:
            return socket.create_connection((_loopback(host), port), _HEALTH_S)
        except UnicodeError as exc:  # what Python raises for a label that is empty or longer than 63 characters
            raise OSError(f"{host} is not a host name") from exc
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_HEALTH_S)
        connection.connect(host)
    except OSError:
        connection.close()
        raise
    return connection


def _loopback(host: str) -> str:
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # what to ask there
