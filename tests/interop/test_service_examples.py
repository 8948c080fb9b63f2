"""The examples of one service, of several by host, and of services that die, run and asked; and whether all are."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import require_programs
from tests.harness.examples import EXAMPLES, curl, running_example
from tests.harness.scripted import OK, PATIENCE_S, Peer, ScriptedUpstream, answering, fields_of

pytestmark = pytest.mark.interop


def test_every_example_is_run() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    names = sorted(file.stem for file in EXAMPLES.glob("*.toml"))
    assert len(names) > 15
    assert [name for name in names if f'example("{name}", ' not in tests and f'"{name}",\n' not in tests] == []


async def test_one_service(tmp_path: Path) -> None:
    require_programs("curl")
    app = ScriptedUpstream(answering(*[OK] * 10))
    async with app.serving(), running_example("one-service", tmp_path, {9000: app.port}) as proxy:
        status, answer = await curl(f"{proxy.url}/any?thing")
        assert (status, answer[-2:]) == (200, "ok")


async def test_by_host(tmp_path: Path) -> None:
    require_programs("curl")
    heads: dict[str, list[bytes]] = {"shop": [], "tenants": []}
    services = {name: ScriptedUpstream(answering(*[OK] * 10, requests=requests)) for name, requests in heads.items()}
    async with services["shop"].serving(), services["tenants"].serving():
        machines = {f"{name}.internal:8000": service.port for name, service in services.items()}
        async with running_example("by-host", tmp_path, {}, machines=machines) as proxy:
            at = f"http://127.0.0.1:{proxy.port}/"
            for host, expected in (("shop.example.com", 200), ("a.b.example.com", 200), ("example.org", 404)):
                assert (await curl("--header", f"Host: {host}", "--header", "X-Debug: 1", at))[0] == expected
    [shop], [tenants] = heads.values()
    assert fields_of(shop)["host"] == ["shop.example.com"]
    assert fields_of(shop)["x-debug"] == ["1"]
    assert fields_of(tenants)["host"] == ["tenants.internal"]
    assert fields_of(tenants)["x-tier"] == ["tenant"]
    assert "x-debug" not in fields_of(tenants)


async def test_health(tmp_path: Path) -> None:
    require_programs("curl")
    checked = [asyncio.Event(), asyncio.Event()]

    def service(number: int) -> ScriptedUpstream:
        async def serve(peer: Peer) -> None:
            while True:
                try:
                    head = await peer.head()
                except (asyncio.IncompleteReadError, ConnectionError):
                    return
                if head.startswith(b"GET /healthz HTTP/1.1\r\n"):
                    checked[number].set()
                await peer.send(OK)

        return ScriptedUpstream(serve)

    first, second = service(0), service(1)
    async with first.serving(), AsyncExitStack() as stack:
        async with second.serving():
            machines = {"api-1:9000": first.port, "api-2:9000": second.port}
            proxy = await stack.enter_async_context(running_example("health", tmp_path, {}, machines=machines))
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*(each.wait() for each in checked))
        for _ in range(6):  # the second one has gone: who meets it is sent elsewhere
            assert (await curl(f"{proxy.url}/"))[0] == 200
