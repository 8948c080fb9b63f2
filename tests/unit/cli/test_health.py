"""`onehop health`: what counts as an answer, and what is asked."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.tls import Authority, authority
from tests.unit.cli.calling import onehop

__all__ = ["authority"]

OPTIONS_HERE = b"HTTP/1.1 200 OK\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def answering_once(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A listener that gives one connection one answer; yields its address and what it was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", asked
        thread.join()


def test_a_proxy_that_answers_itself_is_healthy() -> None:
    with answering_once(OPTIONS_HERE) as (address, asked):
        result = onehop("health", "--listen", address)
    assert (result.exit_code, result.output) == (0, "")
    assert asked[0].startswith(b"OPTIONS * HTTP/1.1\r\n")
    assert b"\r\nMax-Forwards: 0\r\n" in asked[0]


UNHEALTHY = [
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"",
]


@pytest.mark.parametrize("answer", UNHEALTHY)
def test_anything_else_that_answers_is_not_healthy(answer: bytes) -> None:
    with answering_once(answer) as (address, _):
        result = onehop("health", "--listen", address)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert address in result.stderr


def test_health_asks_where_the_file_says_whatever_else_is_missing_there(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    with answering_once(OPTIONS_HERE) as (address, asked):
        file.write_text(f'listen = "0.0.0.0:{address.partition(":")[2]}"\n')
        assert onehop("health", ONEHOP_CONFIG=str(file)).exit_code == 0
    assert len(asked) == 1


def test_health_where_nothing_listens_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    result = onehop("health", "--listen", f":{port}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"onehop: :{port} does not answer: ")
    assert len(result.stderr.splitlines()) == 1


def test_health_of_a_configuration_that_cannot_be_read_is_one_line() -> None:
    result = onehop("health", "--config", "/nonexistent/onehop.toml")
    assert result.exit_code == 1
    assert result.stderr == "onehop: /nonexistent/onehop.toml: cannot be read: No such file or directory\n"


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_the_first_listener_is_asked_in_its_own_way(tmp_path: Path, authority: Authority, kind: str) -> None:
    asked: list[bytes] = []
    if kind == "unix":
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / "a.sock"))
        listening.listen()
        lines = f'address = "unix:{tmp_path}/a.sock"'
    else:
        listening = socket.create_server(("127.0.0.1", 0))
        lines = f'address = "127.0.0.1:{listening.getsockname()[1]}"\ntls.certificates = [{{ certificate = "{authority.file("a")}" }}]'

    def serve() -> None:
        connection, _ = listening.accept()
        if kind == "tls":
            connection = authority.server("a").wrap_socket(connection, server_side=True)
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(OPTIONS_HERE)

    file = tmp_path / "onehop.toml"
    file.write_text(f"[listeners.a]\n{lines}\n")
    thread = threading.Thread(target=serve)
    with listening:
        thread.start()
        result = onehop("health", "--config", str(file))
        thread.join()
    assert (result.exit_code, result.output) == (0, "")
    assert asked[0].startswith(b"OPTIONS * HTTP/1.1\r\n")
