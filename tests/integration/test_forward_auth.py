"""`access.forward_auth`: what the service is asked, what its answer means, and what a client cannot forge."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.config.access_model import AccessConfig, ForwardAuthConfig
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, client, fields_of


class Answering:
    """A service that answers each request with the next of some answers, the last for ever, and remembers the heads."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.heads: list[bytes] = []
        self.upstream = ScriptedUpstream(self._serve)

    async def _serve(self, peer: Peer) -> None:
        while True:
            try:
                head = await peer.head()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if b"\r\nTransfer-Encoding: chunked\r\n" in head:
                await peer.chunked()
            elif length := fields_of(head).get("content-length"):
                await peer.exactly(int(length[0]))
            self.heads.append(head)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            with contextlib.suppress(ConnectionError):  # of an answer that nobody takes whole
                await peer.send(answer)
            if b"Connection: close" in answer:
                return


LET_IN = b"HTTP/1.1 200 OK\r\nX-User: ann\r\nX-Groups: a\r\nX-Groups: b\r\nX-Other: c\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def guarded(
    auth: Answering, app: Answering, route: dict[str, Any] | None = None, path: str = "/verify?rd=x", **settings: Any
) -> AsyncIterator[RunningProxy]:
    """A proxy whose only route asks `auth`, and then goes to `app`."""
    ports = {}
    async with auth.upstream.serving(), app.upstream.serving():
        ports = {"auth": auth.upstream.port, "app": app.upstream.port}
        upstreams = {name: UpstreamConfig(urls=[f"http://127.0.0.1:{port}"]) for name, port in ports.items()}
        asked = ForwardAuthConfig(upstream="auth", path=path, copy=["X-User", "x-GROUPS", "X-Absent"])
        access = {"access": AccessConfig(forward_auth=asked)}
        routes = {"r": RouteConfig(upstream="app", **(access | (route or {})))}
        async with running_proxy(upstreams=upstreams, routes=routes, **settings) as proxy:
            yield proxy


REQUEST = (
    b"POST /a/b?c=d HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=1\r\nAuthorization: Bearer t\r\nX-User: root\r\n"
    b"x_user: root\r\nX.Groups: root\r\nX-Absent: root\r\nConnection: X-User, X-Forwarded-Uri, X-Hop\r\nX-Hop: 1\r\n"
    b'X-Forwarded-Uri: /public\r\nX-Forwarded-Method: GET\r\nX-Forwarded-For: 10.0.0.1\r\nIf-None-Match: "a"\r\n'
    b"Range: bytes=0-1\r\nContent-Type: text/plain\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0\r\nX-User: root\r\n\r\n"
)


async def test_the_service_is_asked_with_the_head_alone_and_its_fields_go_along(reader: str) -> None:
    auth, app = Answering(LET_IN), Answering(OK)
    async with guarded(auth, app, reader=reader) as proxy, client(proxy.port) as peer:
        for _ in range(2):
            await peer.send(REQUEST)
            assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
        await proxy.records.wait_for(2)
        assert auth.upstream.connections == app.upstream.connections == 1, "both are pooled"
        record = proxy.records[0]
        assert (record.service, record.attempts, record.status) == ("app", 1, 200)
    head = auth.heads[0]
    assert head.startswith(b"GET /verify?rd=x HTTP/1.1\r\nHost: shop.example\r\n")
    asked = fields_of(head)
    assert asked["x-forwarded-method"] == ["POST"]
    assert asked["x-forwarded-uri"] == ["/a/b?c=d"]
    assert asked["x-forwarded-host"] == ["shop.example"]
    assert asked["x-forwarded-proto"] == ["http"]
    assert asked["x-forwarded-for"] == ["127.0.0.1"]
    assert asked["cookie"] == ["sid=1"]
    assert asked["authorization"] == ["Bearer t"]
    assert asked["x-request-id"] == [record.request_id]
    assert not asked.keys() & {
        "x-user", "x_user", "x.groups", "x-absent", "x-hop", "te", "connection", "content-length", "transfer-encoding",
        "content-type", "if-none-match", "range", "trailer", "expect",
    }  # fmt: skip
    passed = fields_of(app.heads[0])
    assert app.heads[0].startswith(b"POST /a/b?c=d HTTP/1.1\r\n")
    assert passed["x-user"] == ["ann"]
    assert passed["x-groups"] == ["a", "b"]
    assert b"x-GROUPS: a\r\n" in app.heads[0]
    assert not passed.keys() & {"x_user", "x.groups", "x-absent", "x-other", "x-forwarded-uri", "x-forwarded-method"}
    assert passed["authorization"] == ["Bearer t"]
    assert passed["if-none-match"] == ['"a"']


async def test_a_trusted_peer_cannot_say_what_is_asked_about_either() -> None:
    auth, app = Answering(LET_IN), Answering(OK)
    async with guarded(auth, app, trusted_networks=["127.0.0.1"]) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET /private HTTP/1.1\r\nHost: h\r\nX-Forwarded-Uri: /public\r\nX-User: root\r\n\r\n")
        assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
    assert fields_of(auth.heads[0])["x-forwarded-uri"] == ["/private"]
    assert fields_of(app.heads[0])["x-user"] == ["ann"]


async def test_a_service_may_take_a_clients_credentials_and_answer_with_others() -> None:
    answer = b"HTTP/1.1 200 OK\r\nAuthorization: Bearer inner\r\nContent-Length: 0\r\n\r\n"
    auth, app = Answering(answer, LET_IN), Answering(OK)
    asked = ForwardAuthConfig(upstream="auth", copy=["Authorization", "Cookie"])
    route = {"access": AccessConfig(forward_auth=asked)}
    async with guarded(auth, app, route) as proxy, client(proxy.port) as peer:
        for _ in range(2):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer own\r\nCookie: sid=1\r\n\r\n")
            assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
    assert fields_of(auth.heads[0])["authorization"] == ["Bearer own"]
    assert fields_of(auth.heads[0])["cookie"] == ["sid=1"]
    assert fields_of(app.heads[0])["authorization"] == ["Bearer inner"]
    assert not fields_of(app.heads[1]).keys() & {"authorization", "cookie"}, "the service answered with neither"


async def test_what_the_answer_nominates_does_not_go_along() -> None:
    answer = b"HTTP/1.1 204 No Content\r\nConnection: X-User\r\nX-User: ann\r\nX-Groups: a\r\n\r\n"
    auth, app = Answering(answer), Answering(OK)
    async with guarded(auth, app) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await peer.response()
    assert "x-user" not in fields_of(app.heads[0])
    assert fields_of(app.heads[0])["x-groups"] == ["a"]


REFUSALS = [
    # the service's answer                                                             status, body, fields
    (b"HTTP/1.1 401 Who\r\nWWW-Authenticate: Bearer\r\nContent-Length: 4\r\n\r\nlog?", 401, b"log?", {"www-authenticate": ["Bearer"]}),
    (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
     302, b"", {"location": ["/login"], "set-cookie": ["a=1", "b=2"]}),
    (b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nno!\r\n0\r\nX-T: 1\r\n\r\n",
     403, b"no!", {"content-length": ["3"]}),
    (b"HTTP/1.1 500 Oops\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\noops", 500, b"oops", {}),
    (b"HTTP/1.1 300 Which\r\nContent-Length: 0\r\n\r\n", 300, b"", {}),
    (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n", 401, b"", {}),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "status", "body", "fields"), REFUSALS)
async def test_another_answer_is_the_clients(
    answer: bytes, status: int, body: bytes, fields: dict[str, list[str]], reader: str
) -> None:
    auth, app = Answering(answer), Answering(OK)
    async with guarded(auth, app, reader=reader) as proxy, client(proxy.port) as peer:
        for _ in range(2):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            head, received = await peer.response()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert received == body
            found = fields_of(head)
            assert {name: found[name] for name in fields} == fields
            assert len(found["date"]) == 1
            assert not found.keys() & {"x-hop", "keep-alive", "trailer", "transfer-encoding", "connection"}
        await proxy.records.wait_for(2)
        assert [(record.status, record.error, record.attempts) for record in proxy.records] == [(status, "", 0)] * 2
    assert app.heads == []


async def test_a_connection_on_which_somebody_was_refused_is_used_again() -> None:
    auth, app = Answering(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"), Answering(OK)
    async with guarded(auth, app) as proxy, client(proxy.port) as peer:
        for _ in range(2):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await peer.head()).startswith(b"HTTP/1.1 401 ")
            assert await peer.exactly(2) == b"no"
        assert len(auth.heads) == 2
        assert auth.upstream.connections == 1


async def test_the_answer_to_head_has_no_body() -> None:
    auth, app = Answering(b"HTTP/1.1 401 Who\r\nContent-Length: 4\r\n\r\nlog?"), Answering(OK)
    async with guarded(auth, app) as proxy, client(proxy.port) as peer:
        await peer.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
        head, _ = await peer.response("HEAD")
        assert fields_of(head)["content-length"] == ["4"]
        assert (await peer.response())[1] == b"log?"
    assert auth.heads[0].startswith(b"GET /verify")


async def test_a_refused_request_whose_body_is_on_its_way_ends_its_connection() -> None:
    auth, app = Answering(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n"), Answering(OK)
    async with guarded(auth, app) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 401 ")
        assert fields_of(head)["connection"] == ["close"]


UNDERSTOOD_BY_NOBODY = [
    # the service's answer                                                             error
    (b"HTTP/1.1 304 Not Modified\r\n\r\n",                                             "bad_response"),
    (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "unexpected_upgrade"),
    (b"nonsense\r\n\r\n",                                                              "bad_response"),
    (b"HTTP/1.1 403 No\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,         "bad_response"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "error"), UNDERSTOOD_BY_NOBODY)
async def test_what_is_no_answer_lets_nobody_in(answer: bytes, error: str) -> None:
    auth, app = Answering(answer), Answering(OK)
    async with guarded(auth, app) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 502 ")
        await proxy.records.wait_for(1)
        assert proxy.records[0].error == error
        assert proxy.records[0].detail.startswith("asking auth service 'auth': ")
    assert app.heads == []


async def test_a_route_puts_nothing_into_what_the_service_is_asked_and_its_answers_get_its_fields() -> None:
    auth, app = Answering(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n"), Answering(OK)
    rules = FieldRulesConfig(put={"Authorization": "Bearer inner"})
    async with guarded(auth, app, {"request_fields": rules}) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await peer.response()
    assert "authorization" not in fields_of(auth.heads[0])
