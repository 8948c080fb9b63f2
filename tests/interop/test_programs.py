"""Real clients and a real server: curl, wrk, ab, nginx, websockets, and bodies of 200 MB."""

import asyncio
import hashlib
import json
import os
import re
from pathlib import Path

import pytest
import websockets

from tests.conftest import require_programs
from tests.harness.processes import nginx, onehop, output_of
from tests.harness.scripted import Peer, ScriptedUpstream, fields_of

pytestmark = pytest.mark.interop

SIZE = 200_000_000
MEMORY_KIB = 16 * 1024


async def test_wrk_and_ab_load_nginx_over_few_connections(tmp_path: Path, unused_tcp_port: int) -> None:
    require_programs("nginx", "wrk", "ab")
    async with (
        nginx(tmp_path, unused_tcp_port) as upstream,
        onehop(
            "run", "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1",
            "--access-log", "off",
        ) as proxy,
    ):  # fmt: skip
        _, wrk = await output_of("wrk", "-t1", "-c32", "-d6s", f"{proxy.url}/")
        assert "Non-2xx" not in wrk
        assert "Socket errors" not in wrk
        counted = re.search(r"(\d+) requests in", wrk)
        assert counted is not None
        assert upstream.connections() <= 32 + 4
        _, ab = await output_of("ab", "-q", "-k", "-n", "20000", "-c", "32", f"{proxy.url}/")
        assert re.search(r"Complete requests:\s+20000", ab), ab
        assert re.search(r"Failed requests:\s+0", ab), ab
        assert re.search(r"Keep-Alive requests:\s+20000", ab), ab
        assert "Non-2xx" not in ab
        assert upstream.connections() <= 32 + 32 + 8
        assert upstream.requests() >= int(counted[1]) + 20_000
        assert int(counted[1]) >= 5_000  # six seconds: a machine that does less is too slow to say anything


async def test_curl_sees_the_promise_kept(demo_port: int) -> None:
    require_programs("curl")
    base = f"http://127.0.0.1:{demo_port}"
    _, echoed = await output_of(
        "curl", "-s", "-H", "Connection: close, X-Internal", "-H", "X-Internal: 1", f"{base}/echo"
    )
    names = [name.lower() for name, _ in json.loads(echoed)["fields"]]
    assert "x-internal" not in names
    assert "connection" not in names
    _, hop = await output_of("curl", "-si", f"{base}/hop")
    seen = {line.partition(":")[0].lower() for line in hop.split("\r\n\r\n")[0].splitlines()[1:]}
    assert seen.isdisjoint({
        "x-internal", "set-cookie", "keep-alive", "proxy-authenticate", "proxy-connection", "trailer", "upgrade", "te",
    })  # fmt: skip
    assert "x-kept" in seen
    for version in ("--http1.0", "--http1.1"):
        _, answer = await output_of("curl", "-s", version, "-d", "hello", f"{base}/upload")
        assert json.loads(answer) == {"bytes": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}
    _, chunked = await output_of(
        "curl", "-s", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-d", "hello", f"{base}/upload"
    )
    assert json.loads(chunked)["bytes"] == 5
    _, hints = await output_of("curl", "-si", f"{base}/early-hints")
    assert hints.startswith("HTTP/1.1 103 ")
    assert "X-Internal" not in hints


async def test_websockets_through_the_proxy(demo_port: int) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{demo_port}/ws", proxy=None) as socket:
        for message in ("hello", b"\x00\x01" * 100_000):
            await socket.send(message)
            assert await socket.recv() == message


async def test_a_200_mb_download_arrives_whole_in_little_memory(tmp_path: Path, unused_tcp_port: int) -> None:
    require_programs("nginx", "curl")
    async with nginx(tmp_path, unused_tcp_port) as upstream:
        block = os.urandom(1_000_000)
        digest = hashlib.sha256()
        with (tmp_path / "files" / "big").open("wb") as file:
            for _ in range(SIZE // len(block)):
                file.write(block)
                digest.update(block)
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1")
        async with onehop("run", *arguments) as proxy:
            await output_of("curl", "-s", f"{proxy.url}/")
            before = proxy.worker_memory_kib()
            await output_of("curl", "-s", "-o", str(tmp_path / "got"), f"{proxy.url}/files/big")
            assert proxy.worker_memory_kib() - before < MEMORY_KIB
            got = hashlib.sha256()
            with (tmp_path / "got").open("rb") as file:
                while data := file.read(1 << 20):
                    got.update(data)
            assert got.digest() == digest.digest()
            # A client that reads 1 MB/s, for three seconds: what it does not read waits at the upstream, not here.
            await output_of(
                "curl", "-s", "--limit-rate", "1M", "--max-time", "3", "-o", "/dev/null", f"{proxy.url}/files/big"
            )
            assert proxy.worker_memory_kib() - before < MEMORY_KIB


async def test_a_200_mb_upload_arrives_whole_in_little_memory(tmp_path: Path) -> None:
    require_programs("curl")
    received: list[bytes] = []

    async def sink(peer: Peer) -> None:
        try:
            head = await peer.head()
        except asyncio.IncompleteReadError:
            return
        left = int(fields_of(head).get("content-length", ["0"])[0])
        digest = hashlib.sha256()
        while left:
            data = await peer.some()
            digest.update(data)
            left -= len(data)
        received.append(digest.digest())
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    block = os.urandom(1_000_000)
    digest = hashlib.sha256()
    with (tmp_path / "big").open("wb") as file:
        for _ in range(SIZE // len(block)):
            file.write(block)
            digest.update(block)
    upstream = ScriptedUpstream(sink)
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1")
        async with onehop("run", *arguments) as proxy:
            await output_of("curl", "-s", f"{proxy.url}/")
            before = proxy.worker_memory_kib()
            await output_of("curl", "-s", "-T", str(tmp_path / "big"), f"{proxy.url}/up")
            assert proxy.worker_memory_kib() - before < MEMORY_KIB
    assert received[-1] == digest.digest()
