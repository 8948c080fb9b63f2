"""What `openssl s_client` finds where a scanner looks: compression, renegotiation, early data, fallback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import require_programs
from tests.harness.listeners import tls_proxy
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

pytestmark = pytest.mark.interop

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def served(authority: Authority) -> AsyncIterator[tuple[str, ...]]:
    """A listener, and the words of a client of it."""
    require_programs("openssl")
    upstream = ScriptedUpstream(answering(*[OK] * 10))
    async with upstream.serving(), tls_proxy(authority, upstream.port) as proxy:
        yield (
            "openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-servername", "a.example",
            "-CAfile", authority.pem,
        )  # fmt: skip


async def said(*command: str, send: bytes = b"", until: bytes = b"") -> str:
    """What a client says that is told something, once it has said `until`; else at its end."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    heard = b""
    async with asyncio.timeout(PATIENCE_S):
        while until not in heard:
            data = await process.stdout.read(65_536)
            assert data, heard
            heard += data
        process.stdin.write(send)
        process.stdin.close()
        heard += await process.stdout.read()
        await process.wait()
    return heard.decode("utf-8", "replace")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_nothing_is_compressed_and_the_key_is_ephemeral(authority: Authority, version: str) -> None:
    async with served(authority) as client:
        heard = await said(*client, version)
    assert "Compression: NONE" in heard
    assert "Server Temp Key: " in heard
    assert "Verify return code: 0 (ok)" in heard
    assert ("Secure Renegotiation IS supported" in heard) is (version == "-tls1_2")  # RFC 5746


async def test_a_client_cannot_renegotiate(authority: Authority) -> None:
    async with served(authority) as client:
        heard = await said(*client, "-tls1_2", send=b"R\n" + GET, until=b"Extended master secret")
    assert "no renegotiation" in heard
    assert "HTTP/1.1 200" not in heard


async def test_a_fallback_to_an_older_version_that_nobody_needs_is_refused(authority: Authority) -> None:
    async with served(authority) as client:  # RFC 7507
        assert "inappropriate fallback" in await said(*client, "-tls1_2", "-fallback_scsv")
        assert "Verify return code: 0 (ok)" in await said(*client, "-tls1_3", "-fallback_scsv")


async def test_no_request_is_taken_from_early_data_which_anybody_could_replay(
    authority: Authority, tmp_path: Path
) -> None:
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(GET)
    async with served(authority) as client:
        first = await said(*client, "-tls1_3", "-ign_eof", "-sess_out", str(session), send=GET)
        assert "HTTP/1.1 200" in first
        assert "Max Early Data: 0" in first
        again = await said(*client, "-tls1_3", "-sess_in", str(session), "-early_data", str(early))
    assert "Reused, TLSv1.3" in again
    assert "Early data was not sent" in again
    assert "HTTP/1.1 200" not in again
