"""`onehop explain URL`: what is refused before anything is sent."""

import socket
import threading
from pathlib import Path

import pytest

from proxy.cli.admin_client import CannotAsk
from proxy.cli.explain_url import Asked, _ask, body_of
from tests.unit.cli.calling import onehop

REFUSED = [
    (["http://"],                                       "'http://': expected http[s]://HOST[:PORT][/PATH]"),
    (["http://h:99999/"],                               "expected http[s]://HOST"),
    (["http://u:hunter2@h/"],                           "without a password"),
    (["http://h/a b"],                                  "of ASCII"),
    (["http://h/", "--response"],                       "--response: not with a URL"),
    (["http://h/", "--upstream", "http://u"],           "--upstream: not with a URL"),
    (["-X", "PUT"],                                     "-X: only with a URL"),
    (["-", "-H", "A: 1", "-d", "x"],                    "-H, -d: only with a URL"),
    (["http://h/", "-d", "@/nowhere/at/all"],           "cannot be read"),
    (["http://h/", "--connect", "nonsense"],            "--connect: expected"),
    (["http://h/", "-H", "X-Debug"],                    "'X-Debug': expected \"Name: value\""),
    (["/nowhere/at/all"],                               "/nowhere/at/all cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_cannot_be_asked_is_refused(words: list[str], said: str) -> None:
    result = onehop("explain", *words, stdin=b"GET / HTTP/1.1\nHost: h\n")
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_its_own_request_id_cannot_be_given() -> None:
    result = onehop("explain", "http://127.0.0.1:1/", "-H", "x-request-id: mine")
    assert result.exit_code == 2
    assert "X-Request-Id cannot be given: explain recognises its own exchange by it" in result.stderr


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_host_that_can_have_no_name_is_one_clear_line(host: str) -> None:
    asked = Asked(f"http://{host}/", "GET", (), None, None, insecure=False, timeout_s=1.0)
    with pytest.raises(CannotAsk, match=f"http://{host}/ cannot be asked: {host} is not a host name$"):
        _ask(asked, [("Host", "h")])


def test_a_body_may_be_a_files(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\x00\xff")
    assert (body_of(None), body_of("a=b"), body_of(f"@{tmp_path / 'body'}")) == (None, b"a=b", b"\x00\xff")


def test_a_head_may_be_a_files(tmp_path: Path) -> None:
    (tmp_path / "head").write_text("GET / HTTP/1.1\nHost: h\nConnection: X-A\nX-A: 1\n")
    result = onehop("explain", str(tmp_path / "head"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "nominated by Connection" in result.stdout


def test_an_answer_that_comes_before_the_whole_body_is_read() -> None:
    def refuse() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=refuse)
        thread.start()
        url, body = f"http://127.0.0.1:{listening.getsockname()[1]}/", bytes(64 << 20)
        asked = Asked(url, "POST", (), body, None, insecure=False, timeout_s=30.0)
        assert _ask(asked, [("Host", "h"), ("Content-Length", str(len(body)))]) == 413
        thread.join()
