"""Pipes where files are expected: nobody waits for whoever writes into them."""

import os
from pathlib import Path

import pytest

from proxy.config.sources import load
from tests.harness.tls import Authority

KEYS = [
    'error_pages = { "502" = "PIPE" }',
    'host = "${file:PIPE}"',
    '[routes.r]\nrespond = { file = "PIPE" }',
    '[routes.r]\nupstream = "a"\naccess.basic_auth = "PIPE"',
    '[routes.r.error_pages]\n"5xx" = "PIPE"\n[routes.r.respond]\nstatus = 200',
    '[admin]\ntoken_file = "PIPE"',
    '[listeners.l]\naddress = "127.0.0.1:1"\ntls.certificates = [{ certificate = "PIPE" }]',
    '[listeners.l]\naddress = "127.0.0.1:1"\ntls.certificates = [{ certificate = "CERT", key = "PIPE" }]',
    '[listeners.l]\naddress = "127.0.0.1:1"\n[listeners.l.tls]\ncertificates = [{ certificate = "CERT" }]\n'
    'client_certificate = "required"\nclient_ca = "PIPE"',
    '[upstreams.a.tls]\nca = "PIPE"',
    '[upstreams.a.tls]\ncertificate = "PIPE"',
]  # fmt: skip


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", KEYS)
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(tmp_path: Path, text: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    certificate = Authority(tmp_path).file("a.example")
    file = tmp_path / "c.toml"
    text = text.replace("PIPE", str(tmp_path / "pipe")).replace("CERT", certificate)
    file.write_text(f'{text}\n[upstreams.a]\nurls = ["https://a"]\n')
    said = [str(problem) for problem in load(file, {}).problems]
    assert any("it is not a regular file" in problem for problem in said), said


@pytest.mark.timeout(10)
def test_a_named_pipe_as_the_configuration_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.toml")
    said = [str(problem) for problem in load(tmp_path / "c.toml", {}).problems]
    expected = "cannot be read: it is a named pipe, which nothing can be read from again; name a file"
    assert said == [f"{tmp_path / 'c.toml'}: {expected}"]


def test_a_pipe_that_a_shell_passes_is_read() -> None:
    read, write = os.pipe()
    try:
        os.write(write, b'[upstreams.a]\nurls = ["http://a"]\n')
        os.close(write)
        assert load(Path(f"/dev/fd/{read}"), {}).valid().upstreams.keys() == {"a"}
    finally:
        os.close(read)
