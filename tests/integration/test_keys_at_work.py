"""Keys whose effect shows on the wire alone: each test fails where its key is ignored."""

import re
from pathlib import Path
from typing import Any

import pytest

from proxy.config.listener_model import CertificateConfig, ListenerConfig, ListenerTlsConfig
from proxy.config.route_model import RespondConfig, RewritePathConfig, RouteConfig, SplitConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.http1.parsing import head_parser
from tests.harness.listeners import tls_client, tls_proxy
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


async def test_a_certificates_key_may_be_in_a_file_of_its_own(authority: Authority, tmp_path: Path) -> None:
    whole = Path(authority.file("a.example")).read_text()
    key = re.search(r"-----BEGIN .*?PRIVATE KEY-----.*?-----END .*?PRIVATE KEY-----\n", whole, re.DOTALL)
    assert key is not None
    (tmp_path / "a.key").write_text(key[0])
    (tmp_path / "a.crt").write_text(whole.replace(key[0], ""))
    pair = CertificateConfig(certificate=str(tmp_path / "a.crt"), key=str(tmp_path / "a.key"))
    public = ListenerConfig(address="127.0.0.1:0", tls=ListenerTlsConfig(certificates=[pair]))
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        tls_proxy(authority, upstream.port, listeners={"public": public}) as proxy,
        tls_client(authority, proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"


async def test_a_share_without_weight_gets_no_request() -> None:
    upstreams = [ScriptedUpstream(answering(*[OK] * 40)) for _ in range(2)]
    async with upstreams[0].serving(), upstreams[1].serving():
        configured = {f"u{n}": UpstreamConfig(urls=[f"http://127.0.0.1:{u.port}"]) for n, u in enumerate(upstreams)}
        split = [SplitConfig(upstream="u0", weight=0), SplitConfig(upstream="u1", weight=7)]
        async with (
            running_proxy(upstreams=configured, routes={"r": RouteConfig(split=split)}) as proxy,
            client(proxy.port) as peer,
        ):
            for _ in range(40):
                await peer.send(GET)
                assert (await peer.response())[1] == b"ok"
    assert [upstream.connections for upstream in upstreams] == [0, 1]


async def test_a_fixed_answer_may_be_a_files(tmp_path: Path) -> None:
    page = tmp_path / "noon.html"
    page.write_bytes(b"<p>Back at noon")
    routes = {"r": RouteConfig(respond=RespondConfig(status=503, file=str(page)))}
    async with (
        running_proxy(upstreams={}, routes=routes) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        head, body = await peer.response()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert fields_of(head)["content-type"] == ["text/html; charset=utf-8"]
    assert body == b"<p>Back at noon"


async def test_a_pattern_rewrites_the_path_alone(reader: str) -> None:
    pytest.importorskip("re2", reason="pip install google-re2")
    requests: list[bytes] = []
    upstream = ScriptedUpstream(answering(OK, OK, requests=requests))
    async with upstream.serving():
        rewrite = RewritePathConfig(pattern="^/u/([0-9]+)$", to="/users/$1")
        route: dict[str, Any] = {"r": RouteConfig(upstream="default", rewrite_path=rewrite)}
        async with running_proxy(upstream.port, reader=reader, routes=route) as proxy, client(proxy.port) as peer:
            for target in (b"/u/7?a=%2F", b"/u/x?a"):
                await peer.send(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
                assert (await peer.response())[1] == b"ok"
    assert [head.split(b" ")[1] for head in requests] == [b"/users/7?a=%2F", b"/u/x?a"]


@pytest.mark.interpreted
@pytest.mark.parametrize(("reader", "used"), [("auto", True), ("h11", False)])
async def test_with_reader_h11_no_head_takes_the_fast_path(
    monkeypatch: pytest.MonkeyPatch, reader: str, used: bool
) -> None:
    seen: list[bytes] = []
    for name in ("parse_plain_request", "parse_plain_response"):
        original = getattr(head_parser, name)

        def spy(data: bytes, *more: Any, original: Any = original, **settings: Any) -> Any:
            seen.append(bytes(data))
            return original(data, *more, **settings)

        monkeypatch.setattr(head_parser, name, spy)
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader) as proxy,
        client(proxy.port) as peer,
    ):
        seen.clear()  # of the self-test
        await peer.send(GET)
        assert (await peer.response())[1] == b"ok"
    assert (len(seen) == 2) is used


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("warning", 1), ("error", 0)])
async def test_a_level_leaves_out_what_is_less_severe(
    level: str, lines: int, capfd: pytest.CaptureFixture[str]
) -> None:
    public = ListenerConfig(address="127.0.0.1:0", proxy_protocol=["127.0.0.0/8"])
    upstream = ScriptedUpstream(answering(OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, listen=[], listeners={"public": public}, log_level=level) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(GET)
        assert (await peer.response())[0].startswith(b"HTTP/1.1 400 ")
    said = capfd.readouterr().err.splitlines()
    assert len(said) == lines
    assert all(line.startswith("onehop: warning: listeners.public: ") for line in said)
