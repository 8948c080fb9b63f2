"""Every console block of the documentation, run as it stands and compared with what it shows."""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

import proxy
from proxy.admin.families import FAMILIES
from proxy.cli.main import main as onehop
from tests.conftest import require_programs
from tests.harness.documents import Session, Step, agrees, blocks, steady
from tests.harness.scripted import PATIENCE_S, Peer, ScriptedUpstream, fields_of
from tests.harness.tls import Authority

pytestmark = pytest.mark.interop

ROOT = Path(proxy.__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def service(name: int) -> ScriptedUpstream:
    """What the pages have behind onehop: it says who it is, and switches to WebSocket where it is asked to."""

    async def serve(peer: Peer) -> None:
        while True:
            try:
                head = await peer.head()
                await peer.exactly(int(fields_of(head).get("content-length", ["0"])[0]))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if b"\r\nUpgrade: websocket\r\n" in head:
                await peer.send(SWITCH)
                await peer.rest()
                return
            body = b"hello from %d\n" % name
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    return ScriptedUpstream(serve)


@asynccontextmanager
async def session(folder: Path) -> AsyncIterator[Session]:
    """A shell, with services on the ports that pages have them on."""
    async with AsyncExitStack() as stack:
        shell = Session(folder)
        for port in (9000, 9001, 9002):
            upstream = await stack.enter_async_context(service(port).serving())
            shell.ports[port] = upstream.port
        shell.prepare()
        certificates = folder / "certificates"
        certificates.mkdir()
        authority = Authority(certificates)
        for name in ("www", "api"):
            authority.file(f"{name}.example.com", path=str(certificates / f"{name}.pem"))
        stack.push_async_callback(shell.end)
        yield shell


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
async def test_a_page_shows_what_comes(path: Path, tmp_path: Path) -> None:
    require_programs("curl")
    async with session(tmp_path) as shell:
        for block in blocks(path.read_text("utf-8")):
            if block.why_not:
                continue
            for step in block.steps:
                came, right = await tried(shell, step)
                if not right and step.command.startswith("onehop tail"):
                    async with asyncio.timeout(PATIENCE_S):  # the exchange is not told of yet
                        while not right:
                            came, right = await tried(shell, step)
                assert right, "\n".join((f"{path.name}:{step.line}: $ {step.command}", *came))


async def tried(shell: Session, step: Step) -> tuple[list[str], bool]:
    """What a command shows, and whether that is what the page says."""
    status, text = await shell.run(step.command)
    came = steady(text)
    return came, agrees(steady("\n".join(step.shown)), came) if step.shown else status == 0


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    """In the text, too: `.ci/run` runs them."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    named = {name for path in PAGES for name in re.findall(r"(?:`|\$ )make ([a-z-]+)", path.read_text("utf-8"))}
    assert named - targets == set()
    assert {"demo", "test", "check"} <= named


def inline(begin: str) -> set[str]:
    """What stands as code in the text of pages, of what begins so."""
    return {code for path in PAGES for code in re.findall(f"`({begin}[^`]*)`", path.read_text("utf-8"))}


def test_every_command_that_is_named_in_the_text_is_there_with_its_options() -> None:
    named = inline("onehop ")
    for words in (shlex.split(each.partition("|")[0])[1:] for each in named):
        command = onehop if words[0].startswith("-") else onehop.commands[words[0]]
        there = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= there, words
    assert {"onehop tail", "onehop check --live"} <= named
    modules = {each.split()[2] for each in inline("python -m ")}
    assert {module for module in modules if find_spec(module) is None} == set()


def test_every_metric_that_is_named_is_there() -> None:
    named = {re.match("[a-z_]+", each)[0] for each in inline("onehop_")}  # type: ignore[index]  # each begins so
    there = {
        f"onehop_{name}{end}"
        for name, family in FAMILIES.items()
        for end in ("", "_total" * (family.type == "counter"))
    }
    assert named - there == set()


def test_what_is_left_out_is_named() -> None:
    left_out = {
        path.name: block.why_not for path in PAGES for block in blocks(path.read_text("utf-8")) if block.why_not
    }
    assert left_out == {}


def test_what_is_not_compared_is_that_alone() -> None:
    assert agrees(["a", "...", "z"], ["a", "b", "c", "z"])
    assert agrees(["a", "...", "z"], ["a", "z"])
    assert agrees(["Via: ..."], ["Via: 1.1 x"])
    assert not agrees(["a", "z"], ["a", "b", "z"])
    assert not agrees(["a"], ["a", "z"])
    assert not agrees(["a.c"], ["abc"])


def test_a_block_has_commands_with_what_they_show() -> None:
    page = "text\n```console\n$ a \\\n  b\nshown\n$ c\n```\n<!-- not run: why -->\n\n```console\n$ d\n```\n"
    first, second = blocks(page)
    assert [(step.line, step.command, step.shown) for step in first.steps] == [
        (3, "a \\\n  b", ["shown"]),
        (6, "c", []),
    ]
    assert (second.why_not, first.why_not) == ("why", "")
