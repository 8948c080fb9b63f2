"""What an instance answers to `onehop reload`: also where a file name is not UTF-8, which JSON cannot hold."""

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from proxy.cli.command_client import _is_meant
from proxy.process.commands import MOST_BYTES, Commands, Instance, Reply, Request, Result, without_surrogates

ODD = os.fsdecode(b"/etc/onehop-\xff.toml")


def refuse(reply: Reply) -> None:
    reply(1, [f"{ODD}:3: no such key"])


@contextmanager
def listening(config: str) -> Iterator[Commands]:
    commands = Commands(lambda: Instance(pid=os.getpid(), config=config, listen=[]), refuse)
    commands.listen()
    try:
        yield commands
    finally:
        commands.close()


def serve(commands: Commands) -> None:
    """One turn of the parent's loop."""
    waiting = select.poll()
    commands.register(waiting)
    assert waiting.poll(5000)
    commands.serve()


def connected() -> socket.socket:
    names = {line.split(maxsplit=7)[-1] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    [name] = [name for name in names if name.startswith(f"@onehop/{os.getpid()}/")]
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(5)
    client.connect(f"\0{name[1:]}")
    return client


def test_a_problem_in_a_file_whose_name_is_not_utf_8_is_told() -> None:
    with listening(without_surrogates(ODD)) as commands, connected() as client:
        serve(commands)
        assert msgspec.json.decode(client.recv(MOST_BYTES), type=Instance).config == "/etc/onehop-\\udcff.toml"
        client.send(msgspec.json.encode(Request(command="reload")))
        serve(commands)
        result = msgspec.json.decode(client.recv(MOST_BYTES), type=Result)
    assert result == Result(status=1, lines=["/etc/onehop-\\udcff.toml:3: no such key"])


@pytest.mark.parametrize("name", ["a.toml", os.fsdecode(b"a\xff.toml")])
def test_an_instance_is_found_by_its_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.touch()
    (tmp_path / "link").symlink_to(file)
    instance = Instance(pid=1, config=without_surrogates(str(file)), listen=[])
    assert _is_meant(instance, file, None)
    assert _is_meant(instance, tmp_path / "link", None)
    assert not _is_meant(instance, tmp_path / "other.toml", None)


def test_clients_that_ask_for_nothing_keep_nobody_out() -> None:
    with listening("") as commands, contextlib.ExitStack() as stack:
        idle = []
        for _ in range(20):
            idle.append(stack.enter_context(connected()))
            serve(commands)
            idle[-1].recv(MOST_BYTES)
        asking = stack.enter_context(connected())
        serve(commands)
        asking.recv(MOST_BYTES)
        asking.send(msgspec.json.encode(Request(command="reload")))
        serve(commands)
        assert msgspec.json.decode(asking.recv(MOST_BYTES), type=Result).status == 1
        assert [client.recv(1) for client in idle[:12]] == [b""] * 12, "the oldest had to go"


def test_who_waits_for_a_reload_is_not_dropped_for_a_newcomer() -> None:
    replies = list[Reply]()
    commands = Commands(lambda: Instance(pid=os.getpid(), config="", listen=[]), replies.append)
    commands.listen()
    with contextlib.closing(commands), contextlib.ExitStack() as stack:
        waiting = []
        for _ in range(8):
            client = stack.enter_context(connected())
            waiting.append(client)
            serve(commands)
            client.recv(MOST_BYTES)
            client.send(msgspec.json.encode(Request(command="reload")))
            serve(commands)
        later = stack.enter_context(connected())
        commands.serve()
        replies[0](0, ["done"])
        serve(commands)
        for client in (waiting[0], later):
            assert client.recv(MOST_BYTES)
        for reply in replies[1:]:
            reply(0, ["done"])
        assert all(
            msgspec.json.decode(client.recv(MOST_BYTES), type=Result).lines == ["done"] for client in waiting[1:]
        )
