"""The access log of the command, as it stands on standard output."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.harness.processes import OnehopProcess, descriptors_of, onehop, output_of
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering, client
from tests.harness.waiting import until

REQUESTS = [
    b'GET /a"b HTTP/1.1\r\nHost: h\r\nUser-Agent: "Mozilla"\r\n\r\n',
    b"GET /refused HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nX : 1\r\n\r\n",
]


@pytest.mark.parametrize("form", ["json", "text"])
async def test_each_request_has_its_line_also_a_refused_one_and_a_health_check_has_none(form: str) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1")
        async with onehop("run", *arguments, "--access-log", form) as proxy:
            for request in REQUESTS:
                async with client(proxy.port) as peer:
                    await peer.send(request)
                    await peer.response()
            listening = f"127.0.0.1:{proxy.port}"
            asked = await output_of(
                sys.executable, "-m", "proxy", "health", "--listen", listening, patience_s=PATIENCE_S
            )
            assert asked == (0, "")
    if form == "text":
        assert re.findall(r'"GET .*?HTTP/1.1" \d+', "\n".join(proxy.log)) == [
            '"GET /a\\"b HTTP/1.1" 200',
            '"GET /refused HTTP/1.1" 400',
        ]
        return
    lines = [json.loads(line) for line in proxy.log]
    told = [(line["target"], line["host"], line["user_agent"], line["status"]) for line in lines]
    assert told == [('/a"b', "h", '"Mozilla"', 200), ("/refused", "h", "curl/8", 400)]
    assert all(0 <= line["first_byte_s"] <= line["duration_s"] for line in lines)


async def test_a_file_takes_the_lines_of_all_workers_and_is_opened_anew_on_sigusr1(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(*[answering(OK)] * 8)
    file = tmp_path / "access.log"

    async def ask(port: int, target: bytes) -> None:
        async with client(port) as peer:
            await peer.send(b"GET %b HTTP/1.1\r\nHost: h\r\nX-Tag: t\r\nConnection: close\r\n\r\n" % target)
            assert (await peer.response())[1] == b"ok"

    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "2")
        chosen = (
            "--set",
            f"access_log_file={file}",
            "--set",
            "access_log_fields=request:X-Tag",
            "--access-log",
            "json",
        )
        async with onehop("run", *arguments, *chosen, "--set", "pool.idle_per_origin=0") as proxy:
            for number in range(4):
                await ask(proxy.port, b"/old/%d" % number)
            file.rename(tmp_path / "access.log.1")
            proxy.process.send_signal(signal.SIGUSR1)
            await until(file.exists)
            # The other worker may not have heard yet: it, too, comes to the new file.
            await until(lambda: len({os.stat(fd).st_ino for fd in open_files(proxy, "access.log")}) == 1)
            for number in range(4):
                await ask(proxy.port, b"/new/%d" % number)
        assert proxy.log == []
    old, new = (
        [json.loads(line) for line in path.read_text().splitlines()] for path in (tmp_path / "access.log.1", file)
    )
    assert sorted(line["target"] for line in old) == [f"/old/{number}" for number in range(4)]
    assert sorted(line["target"] for line in new) == [f"/new/{number}" for number in range(4)]
    assert {line["fields"]["request:X-Tag"] for line in (*old, *new)} == {"t"}


def open_files(proxy: OnehopProcess, name: str) -> list[str]:
    """The descriptors of all workers on files of that name, as paths to them."""
    return [fd for pid in proxy.worker_pids() for fd, link in descriptors_of(pid).items() if name in link]


async def test_a_log_that_cannot_be_opened_is_one_line_at_start(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "no folder" / "log")
    arguments = "run --listen 127.0.0.1:0 --upstream http://127.0.0.1:9 --workers 1 --set admin.listen="
    command = (sys.executable, "-m", "proxy", *arguments.split(), "--set", f"access_log_file={tmp_path}/log")
    status, written = await output_of(*command)
    assert (status, written.splitlines()) == (
        1,
        [
            f'onehop: error: worker cannot start: access_log_file = "{tmp_path}/log": No such file or directory',
            "onehop: error: no worker could start; giving up",
        ],
    )


async def test_onehop_says_of_itself_what_the_level_asks_for_in_the_form_that_is_asked_for(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "proxy", "run", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9"]
    settings = ["--set", "log_format=json", "--set", "admin.listen=", "--workers", "1"]
    process = await asyncio.create_subprocess_exec(*run, *settings, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_S):
        first = json.loads(await process.stderr.readline())
        assert first["message"].startswith("onehop listens on http://127.0.0.1:")
        while "stop with Ctrl-C" not in (await process.stderr.readline()).decode():
            pass
        process.terminate()
        rest = (await process.stderr.read()).decode().splitlines()
        assert await process.wait() == 0
    assert [json.loads(line)["level"] for line in rest] == ["info"]
