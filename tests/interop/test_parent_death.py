"""The parent is killed while an answer, an upload and a tunnel are under way: workers finish them, then end."""

import asyncio
import sys
from pathlib import Path

from tests.harness.processes import OnehopProcess
from tests.harness.scripted import OK, Peer, ScriptedUpstream, client, fields_of
from tests.harness.waiting import until

GET = b"GET /get HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
SWITCH = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def test_an_answer_an_upload_and_a_tunnel_outlive_the_parent() -> None:
    begun: set[bytes] = set()
    go_on = asyncio.Event()
    uploaded: list[bytes] = []

    async def service(peer: Peer) -> None:
        head = await peer.head()
        path = head.split(b" ")[1]
        if path == b"/tunnel":
            await peer.send(b"HTTP/1.1 101 Switching Protocols\r\n" + SWITCH)
            begun.add(path)
            while data := await peer.some():
                await peer.send(data)
            return
        begun.add(path)
        if path == b"/post":
            uploaded.append(await peer.exactly(int(fields_of(head)["content-length"][0])))
            await peer.send(OK)
        else:
            await peer.send(OK[:-1])
            await go_on.wait()
            await peer.send(OK[-1:])
        await peer.rest()

    upstream = ScriptedUpstream(service)
    async with upstream.serving():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", "run", "--listen", "127.0.0.1:0", "--workers", "2", "--set",
            "admin.listen=", "--upstream", f"http://127.0.0.1:{upstream.port}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        proxy = OnehopProcess(process)
        await proxy.started()
        workers = proxy.worker_pids()
        async with client(proxy.port) as getting, client(proxy.port) as posting, client(proxy.port) as tunnel:
            await getting.send(GET)
            await posting.send(POST + b"first")
            await tunnel.send(b"GET /tunnel HTTP/1.1\r\nHost: h\r\n" + SWITCH)
            await tunnel.head()
            await until(lambda: len(begun) == 3)
            process.kill()
            await proxy.accepts_no_more()
            go_on.set()
            await posting.send(b"last!")
            await tunnel.send(b"still here")
            assert (await getting.response())[1] == b"ok"
            assert (await posting.response())[1] == b"ok"
            assert uploaded == [b"firstlast!"]
            assert await tunnel.exactly(10) == b"still here"
            tunnel.half_close()
            assert await tunnel.rest() == b""
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        await process.wait()
