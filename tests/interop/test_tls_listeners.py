"""TLS as programs speak it: a served command, several workers, files that change, and clients that others have written."""

import asyncio
import contextlib
import os
import re
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.conftest import require_programs
from tests.harness.processes import OnehopProcess, onehop, output_of
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

pytestmark = pytest.mark.interop

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def served(
    folder: Path, authority: Authority, port: int, workers: int = 1, more: str = ""
) -> AsyncIterator[OnehopProcess]:
    pem = authority.file("a.example", path=str(folder / "a.pem"))
    upstream = ScriptedUpstream(answering(*[OK] * 1000))
    async with upstream.serving():
        file = folder / "onehop.toml"
        file.write_text(
            f'workers = {workers}\naccess_log = "json"\n[listeners.public]\naddress = "127.0.0.1:{port}"\n'
            f'[[listeners.public.tls.certificates]]\ncertificate = "{pem}"\n{more}\n'
            f'[upstreams.app]\nurls = ["http://127.0.0.1:{upstream.port}"]\n'
        )
        async with onehop("run", "--config", str(file)) as proxy:
            yield proxy


def visit(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[bool | None, ssl.SSLSession | None]:
    raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    with context.wrap_socket(raw, server_hostname="a.example", session=session) as tls:
        tls.sendall(GET)
        received = b""
        while data := tls.recv(8192):
            received += data
        assert received.endswith(b"ok")
        return tls.session_reused, tls.session


async def test_a_session_is_resumed_by_whatever_worker_takes_the_connection_and_each_is_counted(
    tmp_path: Path, authority: Authority, unused_tcp_port_factory: Callable[[], int]
) -> None:
    port, admin = unused_tcp_port_factory(), unused_tcp_port_factory()
    more = f'[admin]\nlisten = "127.0.0.1:{admin}"'
    async with served(tmp_path, authority, port, workers=3, more=more):

        def visits() -> list[bool | None]:
            context = authority.client()
            session, reused = None, list[bool | None]()
            for _ in range(30):
                resumed, session = visit(port, context, session)
                reused.append(resumed)
            return reused

        def distrust() -> None:
            raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
            with raw, pytest.raises(ssl.SSLCertVerificationError):
                ssl.create_default_context().wrap_socket(raw, server_hostname="a.example")

        def counted() -> dict[str, float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=PATIENCE_S) as answer:
                found = re.findall(r'onehop_tls_handshakes_total\{result="(.+?)"\} (\S+)', answer.read().decode())
            return {result: float(count) for result, count in found}

        assert (await asyncio.to_thread(visits)) == [False, *[True] * 29]
        await asyncio.to_thread(distrust)
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await asyncio.to_thread(counted))["failed"]:  # noqa: ASYNC110  # its alert is on the way
                await asyncio.sleep(0.01)
        assert found == {"full": 1.0, "resumed": 29.0, "failed": 1.0}


async def test_a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not(
    tmp_path: Path, authority: Authority, unused_tcp_port: int
) -> None:
    def serial(context: ssl.SSLContext) -> object:
        raw = socket.create_connection(("127.0.0.1", unused_tcp_port), timeout=PATIENCE_S)
        with context.wrap_socket(raw, server_hostname="a.example") as tls:
            found = tls.getpeercert()
            assert found is not None
            return found["serialNumber"]

    context = authority.client()
    async with served(tmp_path, authority, unused_tcp_port, workers=2) as proxy:
        first = await asyncio.to_thread(serial, context)
        held = socket.create_connection(("127.0.0.1", unused_tcp_port), timeout=PATIENCE_S)
        with await asyncio.to_thread(context.wrap_socket, held, server_hostname="a.example") as tls:
            fresh = authority.file("a.example", path=str(tmp_path / "new.pem"))
            os.replace(fresh, tmp_path / "a.pem")
            await proxy.said("certificate files changed and were read again")
            async with asyncio.timeout(PATIENCE_S):
                while (second := await asyncio.to_thread(serial, context)) == first:  # noqa: ASYNC110  # other workers follow by themselves
                    await asyncio.sleep(0.05)
            session = (await asyncio.to_thread(visit, unused_tcp_port, context))[1]
            for _ in range(8):  # in both workers
                assert (await asyncio.to_thread(visit, unused_tcp_port, context, session))[0]
            (tmp_path / "a.pem").write_text("broken")
            await proxy.said("the previous certificates stay in use")
            assert await asyncio.to_thread(serial, context) == second
            tls.sendall(GET)  # the connection from before goes on
            assert (await asyncio.to_thread(tls.recv, 8192)).startswith(b"HTTP/1.1 200 ")
    assert sum("stay in use" in line for line in proxy.banner) == 1


async def test_a_name_that_is_not_ascii_fails_its_handshake_and_is_no_defect(
    tmp_path: Path, authority: Authority, unused_tcp_port: int
) -> None:
    def ask() -> bytes:
        outgoing = ssl.MemoryBIO()
        tls = authority.client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="xxxxxxxx.example")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        with socket.create_connection(("127.0.0.1", unused_tcp_port), timeout=PATIENCE_S) as raw:
            raw.sendall(outgoing.read().replace(b"xxxxxxxx", b"xxx\xff\xfexxx"))
            return raw.recv(8192)

    pem = authority.file("b.example", path=str(tmp_path / "b.pem"))
    second = f'[[listeners.public.tls.certificates]]\ncertificate = "{pem}"'
    async with served(tmp_path, authority, unused_tcp_port, more=second) as proxy:
        assert (await asyncio.to_thread(ask)).startswith(b"\x15\x03")
        await proxy.said("turned away")
        context = authority.client()
        assert (await asyncio.to_thread(visit, unused_tcp_port, context))[0] is False
    assert not [line for line in proxy.banner if "Traceback" in line or "UnicodeDecodeError" in line]


async def test_curl_and_openssl_agree(tmp_path: Path, authority: Authority, unused_tcp_port: int) -> None:
    require_programs("curl", "openssl")
    where = f"a.example:{unused_tcp_port}"
    curl = ("curl", "-sS", "--cacert", authority.pem, "--resolve", f"{where}:127.0.0.1")
    async with served(tmp_path, authority, unused_tcp_port):
        for version in ("--tlsv1.2", "--tlsv1.3"):
            _, told = await output_of(*curl, version, "-w", "%{http_version} %{ssl_verify_result}", f"https://{where}/")
            assert told == "ok1.1 0"
        _, told = await output_of(*curl, f"http://{where}/")
        assert "this port speaks TLS" in told
        for version, good in (("-tls1_2", True), ("-tls1_3", True), ("-tls1_1", False), ("-tls1", False)):
            _, said = await output_of(
                "openssl", "s_client", "-connect", f"127.0.0.1:{unused_tcp_port}", "-servername", "a.example",
                "-CAfile", authority.pem, "-alpn", "h2,http/1.1", "-cipher", "DEFAULT@SECLEVEL=0", version,
            )  # fmt: skip
            assert ("Verify return code: 0 (ok)" in said and "ALPN protocol: http/1.1" in said) is good, (version, said)


async def test_node_fetches_and_reuses_its_connection(
    tmp_path: Path, authority: Authority, unused_tcp_port: int
) -> None:
    require_programs("node")
    script = tmp_path / "client.js"
    script.write_text(
        f"""
        const https = require('https'), fs = require('fs');
        const agent = new https.Agent({{keepAlive: true, maxSockets: 1}});
        const ask = () => new Promise((done, failed) => https.get({{
            host: '127.0.0.1', port: {unused_tcp_port}, servername: 'a.example', agent,
            ca: fs.readFileSync('{authority.pem}'),
        }}, answer => {{
            let body = '', protocol = answer.socket.getProtocol();
            answer.on('data', data => body += data);
            answer.on('end', () => done([answer.statusCode, body, protocol, answer.req.reusedSocket]));
        }}).on('error', failed));
        (async () => {{
            for (let i = 0; i < 3; i++) console.log(JSON.stringify(await ask()));
            process.exit(0);
        }})();
        """
    )
    async with served(tmp_path, authority, unused_tcp_port):
        status, told = await output_of("node", str(script))
    assert status == 0, told
    assert told.splitlines() == [f'[200,"ok","TLSv1.3",{reused}]' for reused in ("false", "true", "true")]
