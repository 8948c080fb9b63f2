"""`[error_pages]`, on real sockets: for our own errors, and for no other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.config.route_model import RouteConfig
from proxy.config.sources import load
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import Peer, ScriptedUpstream, answering, client, fields_of

CLOSED_PORT = 1  # nobody listens there
DOWN = b"GET / HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n"


@asynccontextmanager
async def paged(tmp_path: Path, port: int = CLOSED_PORT) -> AsyncIterator[tuple[RunningProxy, Peer]]:
    """A worker with a page for all 5xx and one for 400; its route `/own` has one for 502."""
    (tmp_path / "5xx.html").write_text("<p>sorry {request_id}")
    (tmp_path / "400.txt").write_text("what?")
    (tmp_path / "own.json").write_text('{"id": "{request_id}"}')
    pages = {"5xx": str(tmp_path / "5xx.html"), "400": str(tmp_path / "400.txt")}
    routes = {
        "r": RouteConfig(upstream="default"),
        "own": RouteConfig(upstream="default", path="/own", error_pages={"502": str(tmp_path / "own.json")}),
    }
    async with running_proxy(port, routes=routes, error_pages=pages) as proxy, client(proxy.port) as peer:
        yield proxy, peer


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_page_stands_in_the_place_of_our_own_text(tmp_path: Path, method: str) -> None:
    async with paged(tmp_path) as (proxy, peer):
        await peer.send(DOWN.replace(b"GET", method.encode()))
        head, body = await peer.response(method)
        assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        fields = fields_of(head)
        expected = f"<p>sorry {fields['x-request-id'][0]}"
        assert fields["content-type"] == ["text/html; charset=utf-8"], "whatever is accepted"
        assert fields["content-length"] == [str(len(expected))]
        assert body.decode() == ("" if method == "HEAD" else expected)
        assert "connection_refused" in fields["proxy-status"][0]
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == "connect_failed"


async def test_a_route_has_pages_of_its_own(tmp_path: Path) -> None:
    async with paged(tmp_path) as (_, peer):
        await peer.send(DOWN.replace(b"/ ", b"/own ", 1))
        head, body = await peer.response()
        fields = fields_of(head)
        assert fields["content-type"] == ["application/json"]
        assert body.decode() == f'{{"id": "{fields["x-request-id"][0]}"}}'


@pytest.mark.parametrize("request_bytes", [b"GET / HTTP/1.1\r\n\r\n", b"G\x00T / HTTP/1.1\r\nHost: h\r\n\r\n"])
async def test_what_could_not_be_read_gets_its_page(tmp_path: Path, request_bytes: bytes) -> None:
    async with paged(tmp_path) as (_, peer):
        await peer.send(request_bytes)
        head, body = await peer.response()
        assert (head[9:12], body) == (b"400", b"what?")


async def test_a_services_own_error_stays_as_it_is(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nmy!"))
    async with upstream.serving(), paged(tmp_path, upstream.port) as (_, peer):
        await peer.send(DOWN)
        assert (await peer.response())[1] == b"my!"


WRONG = [
    # error_pages                  what is said
    (f'"50x" = "{__file__}"',      'error_pages.50x: expected a status from 400 to 599 such as "502", or "4xx" or "5xx"'),
    (f'"200" = "{__file__}"',      "error_pages.200: expected a status from 400 to 599"),
    ('"502" = "/nowhere/x.html"',  'error_pages.502 = "/nowhere/x.html": cannot be read: No such file or directory'),
    ('"502" = "/dev/zero"',        'error_pages.502 = "/dev/zero": cannot be read: it is not a regular file'),
    ('"502" = 1',                  "error_pages.502 = 1: expected a text"),
]  # fmt: skip


@pytest.mark.parametrize("table", ["error_pages", "routes.r.error_pages"])
@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_page_that_cannot_work_is_refused(tmp_path: Path, table: str, line: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'[upstreams.a]\nurls = ["http://a"]\n[routes.r]\nupstream = "a"\n[{table}]\n{line}\n')
    [found] = load(file, {}).problems
    assert said.replace("error_pages", table, 1) in str(found) or said in str(found)
    assert found.line == 6


def test_pages_are_read_with_the_configuration_and_followed(tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    page.write_text("one")
    environ = {"ONEHOP_ERROR_PAGES": f'{{ "503" = "{page}" }}', "ONEHOP_UPSTREAM": "http://a"}
    loaded = load(None, environ)
    assert loaded.valid().error_pages == {"503": str(page)}
    assert page in loaded.files
