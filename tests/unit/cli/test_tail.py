"""`onehop tail` over an admin listener: what it writes, when it ends, and what it says where there is nothing to follow."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest

from proxy.admin.exchanges import Exchanges
from proxy.cli.exchange_lines import decided, one_line
from tests.harness.programs.process import free_port
from tests.harness.scripted import PATIENCE_S, Peer, ScriptedUpstream
from tests.unit.admin.serving import Counts, serving
from tests.unit.cli.calling import command, line_of, onehop
from tests.unit.cli.exchanges import shown, told

TOKEN = "correct-horse-battery"

LINE = '1970-01-12T13:48:20.000Z 192.0.2.1 "GET /a HTTP/1.1" 200 0>0 500.0ms 10.0.0.1:80 route=r id=id1'
EXPLAINED = """\
  the client sent: GET /a HTTP/1.1
    stripped   Connection: X-Hop      nominated by Connection (RFC 9110 §7.6.1)
    stripped   X-Hop: 1               nominated by Connection (RFC 9110 §7.6.1)
    kept       Host: h                end-to-end
    kept       Cookie: *** (7 bytes)  end-to-end
    set        Via: 1.1 onehop        stated by this hop
  the service was sent: GET /a HTTP/1.1
  the service answered: HTTP/1.1 200 Reason
    kept       Server: s  end-to-end
  the client was sent: HTTP/1.1 200 Reason"""


def test_an_exchange_is_a_line_as_in_the_access_log() -> None:
    assert one_line(shown()) == LINE
    failed = one_line(shown(status=502, error="connect_failed"))
    assert failed.endswith(" error=connect_failed ()")


def test_what_was_decided_is_said_of_each_line() -> None:
    assert "\n".join(decided(shown())) == EXPLAINED


def test_what_strangers_send_steers_no_terminal() -> None:
    evil = shown("GET /\x9b2J HTTP/1.1|Host: h|X-Evil: \x9b2J", client="192.0.2.1")
    text = one_line(evil) + "\n".join(decided(evil))
    assert text.replace("\n", "").isprintable()
    assert "\\x9b2J" in text


async def called(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """The command in a thread, beside the listener that it asks."""
    result = await asyncio.to_thread(lambda: onehop(*arguments, stdin=b"", **variables))
    return result.exit_code, result.stdout, result.stderr


@contextlib.asynccontextmanager
async def listening(*earlier: bytes, token: str = "") -> AsyncIterator[tuple[str, Exchanges]]:
    exchanges = Exchanges()
    for each in earlier:
        exchanges.add(each)
    async with serving(Counts(), token=token, exchanges=exchanges) as admin:
        yield f"127.0.0.1:{admin.port}", exchanges


async def test_it_begins_with_those_that_have_ended() -> None:
    earlier = [told(id=f"id{number}", status=200 + number % 2) for number in range(30)]
    async with listening(*earlier) as (address, _):
        status, out, err = await called("tail", "--admin", address, "--no-follow")
        assert (status, err) == (0, "")
        assert [line.rpartition("id=")[2] for line in out.splitlines()] == [f"id{number}" for number in range(20, 30)]
        _, out, _ = await called("tail", "--admin", address, "--no-follow", "-n", "2", "--status", "200")
        assert [line.rpartition("id=")[2] for line in out.splitlines()] == ["id26", "id28"]


async def test_explained_and_as_json() -> None:
    async with listening(told()) as (address, _):
        assert (await called("tail", "--admin", address, "--no-follow", "--explain"))[1] == f"{LINE}\n{EXPLAINED}\n\n"
        [line] = (await called("tail", "--admin", address, "--no-follow", "--json"))[1].splitlines()
        assert json.loads(line)["id"] == "id1"


def following(address: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return command("tail", "--admin", address)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    assert process.stderr is not None
    async with asyncio.timeout(3 * PATIENCE_S):
        said = (await process.stderr.read()).decode()
        return await process.wait(), said


async def test_it_follows_until_ctrl_c() -> None:
    async with listening(told(id="first")) as (address, exchanges), following(address) as process:
        assert (await line_of(process)).endswith("id=first")
        exchanges.add(told(id="second"))
        assert (await line_of(process)).endswith("id=second")
        process.send_signal(signal.SIGINT)
        assert await ended(process) == (0, "")


async def test_it_ends_when_nobody_reads_it_though_nothing_happens() -> None:
    async with listening(told(id="first")) as (address, _), following(address) as process:
        assert (await line_of(process)).endswith("id=first")
        transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]  # head -1 does this
        transport.close()
        assert await ended(process) == (0, "")


async def test_it_ends_with_the_instance() -> None:
    async with contextlib.AsyncExitStack() as processes:
        async with listening(told(id="first")) as (address, exchanges):
            process = await processes.enter_async_context(following(address))
            assert (await line_of(process)).endswith("id=first")
            exchanges.end()
        assert await ended(process) == (0, "onehop: the instance has ended\n")


async def test_what_is_missing_is_counted() -> None:
    exchange = shown()
    exchange.skipped = 7
    async with listening(told(id="first")) as (address, exchanges), following(address) as process:
        assert (await line_of(process)).endswith("id=first")
        exchanges.add(msgspec.json.encode(exchange))
        assert await line_of(process) == LINE
        process.send_signal(signal.SIGINT)
        assert await ended(process) == (0, "onehop: 7 more are not shown: a worker reports 100 a second\n")


# -- where there is nothing to follow ----------------------------------------------------------------------------------


async def test_where_nothing_runs() -> None:
    address = f"127.0.0.1:{free_port()}"
    status, out, err = await called("tail", "--admin", address)
    assert (status, out) == (1, "")
    assert err == (
        f"onehop: nothing accepts connections at {address}: is onehop running, and is that its admin.listen? "
        "(--admin HOST:PORT asks another)\n"
    )


async def test_where_the_inspector_is_off() -> None:
    async with serving(Counts()) as admin:
        status, _, err = await called("tail", "--admin", f"127.0.0.1:{admin.port}")
    assert status == 1
    assert "the inspector is off; admin.inspector = true turns it on (onehop reload)" in err


async def test_where_the_admin_listener_is_off(tmp_path: Path) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text('[admin]\nlisten = ""\n')
    assert (await called("tail", "--config", str(file)))[::2] == (
        1, 'onehop: the admin listener is off: admin.listen is "" in the configuration\n'
    )  # fmt: skip


async def test_the_configuration_says_where_and_with_which_token(tmp_path: Path) -> None:
    async with listening(told(), token=TOKEN) as (address, _):
        file, token = tmp_path / "onehop.toml", tmp_path / "token"
        token.write_text(f"{TOKEN}\n")
        file.write_text(f'[admin]\nlisten = "{address}"\ntoken_file = "{token}"\n')
        assert await called("tail", "--config", str(file), "--no-follow") == (0, f"{LINE}\n", "")
        assert await called("tail", "--no-follow", ONEHOP_CONFIG=str(file)) == (0, f"{LINE}\n", "")
        token.write_text("another")
        status, _, err = await called("tail", "--config", str(file))
        assert (status, err) == (1, f"onehop: {address} rejects the token of the file {token}\n")


async def test_a_token_may_be_in_the_environment() -> None:
    async with listening(told(), token=TOKEN) as (address, _):
        words = ("tail", "--no-follow", "--admin", address)
        assert await called(*words, ONEHOP_TOKEN=TOKEN) == (0, f"{LINE}\n", "")
        status, _, err = await called(*words, ONEHOP_TOKEN="wrong")
        assert (status, "rejects the token of the variable ONEHOP_TOKEN" in err) == (1, True)
        status, _, err = await called(*words)
        assert status == 1
        assert (
            "asks for a token: name the configuration with its admin.token_file (--config), or set ONEHOP_TOKEN" in err
        )


ELSEWHERE = [
    # what answers                                          what is said
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "is not an admin listener of onehop"),
    (b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nOops",  "answers 500: Oops"),
    (b"SSH-2.0-OpenSSH\r\n",                                 "does not speak HTTP"),
    (b"",                                                    "does not speak HTTP"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "said"), ELSEWHERE)
async def test_where_something_else_answers(answer: bytes, said: str) -> None:
    async def speak(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)

    other = ScriptedUpstream(speak)
    async with other.serving():
        status, out, err = await called("tail", "--admin", f"127.0.0.1:{other.port}")
    assert (status, out) == (1, "")
    assert said in err


async def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text("admin = 1\n")
    status, _, err = await called("tail", "--config", str(file))
    assert status == 1
    assert "admin" in err
