"""`access.basic_auth`: who is let in, what is asked of others, and that a password goes no further."""

import base64
import contextlib
import threading
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from proxy.config.access_model import AccessConfig
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.exchange import passwords
from proxy.exchange.buckets import Buckets
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, Peer, ScriptedUpstream, answering, client, fields_of

ANN = base64.b64encode(b"ann:secret").decode()
WRONG = base64.b64encode(b"ann:wrong").decode()
BOB = base64.b64encode(b"bob:secret").decode()


@pytest.fixture
def users(tmp_path: Path) -> str:
    file = tmp_path / "users"
    file.write_bytes(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)) + b"\n")
    return str(file)


def protected(users: str, **more: Any) -> dict[str, RouteConfig]:
    return {"r": RouteConfig(upstream="default", access=AccessConfig(basic_auth=users), **more)}


ASKED = [
    # Authorization        status
    (f"Basic {ANN}",       200),
    (f"basic {ANN}",       200),
    (f"Basic {WRONG}",     401),
    (f"Basic {BOB}",       401),
    ("Basic",              401),
    ("Bearer x",           401),
    (None,                 401),
]  # fmt: skip


@pytest.mark.parametrize(("said", "status"), ASKED)
async def test_only_those_in_the_file_are_let_in(users: str, said: str | None, status: int, reader: str) -> None:
    upstream = ScriptedUpstream(answering(OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader, routes=protected(users)) as proxy,
        client(proxy.port) as peer,
    ):
        line = f"Authorization: {said}\r\n" if said is not None else ""
        for _ in range(2):
            await peer.send(f"GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n".encode())
            head, body = await peer.response()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            if status == 401:
                fields = fields_of(head)
                assert fields["www-authenticate"] == ['Basic realm="restricted", charset="UTF-8"']
                assert "error=http_request_denied" in fields["proxy-status"][0]
                assert b"unauthorized: a valid user name and password are required" in body
        await proxy.records.wait_for(2)
        assert [record.error for record in proxy.records] == (["unauthorized"] * 2 if status == 401 else ["", ""])


async def test_the_password_goes_no_further_in_any_spelling(users: str) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.chunked()
        await peer.send(OK)

    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, routes=protected(users)) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(
            f"POST / HTTP/1.1\r\nHost: h\r\nauthoriZation: Basic {ANN}\r\nAuthorization_: x\r\nTransfer-Encoding: chunked\r\n"
            f"\r\n0\r\nAuthorization: Basic {ANN}\r\n\r\n".encode()
        )
        assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
    assert ANN.encode() not in seen[0]
    assert "authorization" not in fields_of(seen[0])


async def test_a_route_may_state_an_authorization_of_its_own(users: str) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.send(OK)

    rules = FieldRulesConfig(put={"Authorization": "Bearer inner"})
    upstream = ScriptedUpstream(script)
    async with (
        upstream.serving(),
        running_proxy(upstream.port, routes=protected(users, request_fields=rules)) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(f"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {ANN}\r\n\r\n".encode())
        assert (await peer.response())[0].startswith(b"HTTP/1.1 200 ")
    assert fields_of(seen[0])["authorization"] == ["Bearer inner"]


async def test_a_client_that_leaves_while_its_password_is_checked_is_forgotten(
    users: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_password: bytes, _hashed: bytes) -> bool:
        begun.set()
        return go_on.wait(10)

    monkeypatch.setattr(passwords, "_fits", slow)
    async with running_proxy(1, routes=protected(users)) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(f"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {ANN}\r\n\r\n".encode())
            while not begun.is_set():
                await proxy_turn()
            peer.reset()
        await proxy.records.wait_for(1)
        go_on.set()
        assert (proxy.records[0].error, proxy.records[0].status) == ("client_gone", 499)
        assert proxy.records[0].attempts == 0


async def test_the_total_time_of_a_request_holds_while_a_password_is_checked(
    users: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(passwords, "_fits", lambda _password, _hashed: go_on.wait(10))
    async with (
        running_proxy(1, routes=protected(users), timeouts={"request_total_s": 0.1}) as proxy,
        client(proxy.port) as peer,
    ):
        await peer.send(f"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {ANN}\r\n\r\n".encode())
        assert (await peer.response())[0].startswith(b"HTTP/1.1 504 ")
        go_on.set()


async def proxy_turn() -> None:
    """Leave the loop a moment, for a thread that no loop knows of."""
    import asyncio

    await asyncio.sleep(0.005)


async def test_the_service_is_told_who_it_is_and_no_client_can_say_so(users: str) -> None:
    requests: list[bytes] = []
    access = AccessConfig(basic_auth=users, user_field="X-User")
    upstream = ScriptedUpstream(answering(OK, OK, requests=requests))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, routes={"r": RouteConfig(upstream="default", access=access)}) as proxy,
        client(proxy.port) as peer,
    ):
        for _ in range(2):  # checked, then remembered
            await peer.send(
                b"GET / HTTP/1.1\r\nHost: h\r\nX-User: root\r\nx_user: root\r\nConnection: X-User\r\n"
                b"Authorization: Basic %b\r\n\r\n" % ANN.encode()
            )
            assert (await peer.response())[1] == b"ok"
    for request in requests:
        assert fields_of(request)["x-user"] == ["ann"]
        assert b"root" not in request


async def test_whoever_guesses_waits_and_keeps_nobody_else_from_the_door(users: str) -> None:
    async def status(said: str, address: str) -> tuple[bytes, dict[str, list[str]]]:
        await peer.send(
            f"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {address}\r\nAuthorization: Basic {said}\r\n\r\n".encode()
        )
        head, _ = await peer.response()
        return head.split()[1], fields_of(head)

    upstream = ScriptedUpstream(answering(*[OK] * 3))
    with contextlib.closing(Buckets()) as buckets:
        async with (
            upstream.serving(),
            running_proxy(
                upstream.port, routes=protected(users), buckets=buckets, trusted_networks=["127.0.0.1"]
            ) as proxy,
            client(proxy.port) as peer,
        ):
            assert (await status(ANN, "192.0.2.1"))[0] == b"200"
            assert [(await status(WRONG, "192.0.2.1"))[0] for _ in range(20)] == [b"401"] * 20
            told, fields = await status(WRONG, "192.0.2.1")
            assert told == b"429"
            assert 1 <= int(fields["retry-after"][0]) <= 6
            assert (await status(BOB, "192.0.2.1"))[0] == b"429"
            assert (await status(ANN, "192.0.2.1"))[0] == b"200", "remembered: the same address may be many people"
            assert (await status(ANN, "192.0.2.2"))[0] == b"200"
            await proxy.records.wait_for(25)
            assert [record.error for record in proxy.records[21:23]] == ["rate_limited"] * 2
