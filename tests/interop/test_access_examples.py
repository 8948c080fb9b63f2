"""The examples of docs/basic-auth.md, docs/rate-limits.md, docs/auth-service.md and docs/configuration.md, run and asked."""

import asyncio
from pathlib import Path

import pytest

from tests.harness.examples import curl, running_example
from tests.harness.scripted import Peer, ScriptedUpstream, fields_of

pytestmark = pytest.mark.interop


class Service:
    """Answers 200 with the target and fields that it was asked with; `say` may answer otherwise."""

    def __init__(self, say: dict[str, bytes] | None = None) -> None:
        self._say = say or {}
        self.upstream = ScriptedUpstream(self._serve)

    async def _serve(self, peer: Peer) -> None:
        while True:
            try:
                head = await peer.head()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            said = next((answer for key, answer in self._say.items() if key.encode() in head), None)
            body = head.replace(b"\r\n", b"\n")
            await peer.send(said or b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def test_basic_auth(tmp_path: Path) -> None:
    app = Service()
    async with app.upstream.serving(), running_example("basic-auth", tmp_path, {9000: app.upstream.port}) as proxy:
        status, answer = await curl(f"{proxy.url}/admin/x")
        assert status == 401
        assert 'WWW-Authenticate: Basic realm="restricted", charset="UTF-8"' in answer
        assert (await curl("--user", "ann:wrong", f"{proxy.url}/admin"))[0] == 401
        status, answer = await curl("--user", "ann:example", f"{proxy.url}/admin")
        assert status == 200
        assert "authorization" not in answer.lower()
        assert (await curl(f"{proxy.url}/"))[0] == 200
    assert "example" not in "".join(proxy.log)


async def test_rate_limits(tmp_path: Path) -> None:
    app = Service()
    async with app.upstream.serving(), running_example("rate-limits", tmp_path, {9000: app.upstream.port}) as proxy:
        statuses = [(await curl(f"{proxy.url}/login"))[0] for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        _, answer = await curl(f"{proxy.url}/login")
        assert "Retry-After: " in answer
        assert (await curl(f"{proxy.url}/"))[0] == 200
        many = [f"{proxy.url}/api?{number}" for number in range(40)]
        status, answer = await curl("--header", "X-Api-Key: a", *many)
        assert (status, answer.count("HTTP/1.1 429")) > (200, 10)
        assert (await curl("--header", "X-Api-Key: b", many[0]))[0] == 200
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(curl(*[f"{proxy.url}/"] * 30)) for _ in range(5)]
        assert all("429" not in task.result()[1] for task in asked), "a dry run refuses nobody"
    assert any("would_refuse=rate_limited" in line for line in proxy.log)


LOGIN = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
ANN = b"HTTP/1.1 200 OK\r\nX-User: ann\r\nContent-Length: 0\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin"


async def test_auth_service(tmp_path: Path) -> None:
    app, auth = Service(), Service({"GET /login ": PAGE, "Cookie: session=1": ANN, "GET /verify": LOGIN})
    ports = {}
    async with app.upstream.serving(), auth.upstream.serving():
        ports = {9000: app.upstream.port, 9001: auth.upstream.port}
        async with running_example("auth-service", tmp_path, ports) as proxy:
            status, answer = await curl(f"{proxy.url}/page")
            assert status == 302
            assert "Location: /login" in answer
            assert (await curl(f"{proxy.url}/login"))[1].endswith("login")
            status, answer = await curl(
                "--cookie", "session=1", "--header", "X_User: root", "--header", "X-Groups: admins", f"{proxy.url}/page"
            )
            assert status == 200
            passed = fields_of(answer.partition("\r\n\r\n")[2].replace("\n", "\r\n").encode())
            assert passed["x-user"] == ["ann"]
            assert not passed.keys() & {"x_user", "x-groups"}
            assert (await curl("--cookie", "session=1", f"{proxy.url}/admin"))[0] == 403


async def test_several_files(tmp_path: Path) -> None:
    app = Service()
    async with app.upstream.serving(), running_example("several-files", tmp_path, {9000: app.upstream.port}) as proxy:
        assert "Authorization: Bearer not-a-real-token" in (await curl(f"{proxy.url}/api"))[1]
        assert "Authorization" not in (await curl(f"{proxy.url}/"))[1]
