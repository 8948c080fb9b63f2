"""The examples of docs/tls.md and docs/behind-a-load-balancer.md, run and asked."""

import os
from pathlib import Path

import pytest

from tests.conftest import require_programs
from tests.harness.examples import curl, running_example
from tests.harness.scripted import OK, ScriptedUpstream, answering, fields_of
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

pytestmark = pytest.mark.interop


def environment(folder: Path, authority: Authority) -> dict[str, str]:
    for name in ("www", "api"):
        authority.file(f"{name}.example.com", path=str(folder / f"{name}.pem"))
    return {**os.environ, "CERTIFICATES": str(folder), "SOCKETS": str(folder)}


async def test_tls(tmp_path: Path, authority: Authority, unused_tcp_port_factory: object) -> None:
    require_programs("curl")
    plain, secured = unused_tcp_port_factory(), unused_tcp_port_factory()  # type: ignore[operator]
    app = ScriptedUpstream(answering(*[OK] * 10))
    ports = {8443: secured, 8080: plain}
    env = environment(tmp_path, authority)
    async with app.serving(), running_example("tls", tmp_path, {9000: app.port, **ports}, env):
        for name in ("www", "api"):
            at = f"{name}.example.com:{secured}"
            status, answer = await curl("--cacert", authority.pem, "--resolve", f"{at}:127.0.0.1", f"https://{at}/")
            assert (status, answer[-2:]) == (200, "ok")
        status, answer = await curl("--header", "Host: www.example.com:8080", f"http://127.0.0.1:{plain}/a?b")
        assert status == 308
        assert "Location: https://www.example.com/a?b\r\n" in answer
        assert (await curl(f"http://127.0.0.1:{plain}/.well-known/acme-challenge/x"))[0] == 200


async def test_client_certificates(tmp_path: Path, authority: Authority, unused_tcp_port: int) -> None:
    require_programs("curl")
    requests: list[bytes] = []
    app = ScriptedUpstream(answering(*[OK] * 10, requests=requests))
    at = f"www.example.com:{unused_tcp_port}"
    ask = ("--cacert", authority.pem, "--resolve", f"{at}:127.0.0.1", f"https://{at}/")
    env = environment(tmp_path, authority)
    async with (
        app.serving(),
        running_example("client-certificates", tmp_path, {9000: app.port, 8443: unused_tcp_port}, env),
    ):
        assert (await curl("--cert", authority.client_pem, *ask))[0] == 200
        stated = fields_of(requests[0])["client-cert"][0]
        assert stated.startswith(":")
        assert stated.endswith(":")
        with pytest.raises(IndexError):  # no answer
            await curl(*ask)


async def test_behind_a_load_balancer(tmp_path: Path) -> None:
    require_programs("curl")
    requests: list[bytes] = []
    app = ScriptedUpstream(answering(*[OK] * 10, requests=requests))
    async with app.serving(), running_example("behind-a-load-balancer", tmp_path, {9000: app.port}) as proxy:
        assert (await curl("--haproxy-protocol", f"{proxy.url}/"))[0] == 200
        assert fields_of(requests[0])["x-forwarded-for"] == ["127.0.0.1"]
        assert (await curl(f"{proxy.url}/"))[0] == 400


async def test_unix_sockets(tmp_path: Path, authority: Authority) -> None:
    require_programs("curl")
    requests: list[bytes] = []
    app = ScriptedUpstream(answering(*[OK] * 10, requests=requests))
    env = environment(tmp_path, authority)
    async with app.serving(path=str(tmp_path / "app.sock")), running_example("unix-sockets", tmp_path, {}, env):
        status, _ = await curl(
            "--unix-socket",
            str(tmp_path / "onehop.sock"),
            "--header",
            "X-Forwarded-For: 203.0.113.7",
            "http://a.example/",
        )
        assert status == 200
        assert fields_of(requests[0])["x-forwarded-for"] == ["203.0.113.7, unix"]
    assert not (tmp_path / "onehop.sock").exists()
