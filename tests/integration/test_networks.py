"""`access.allow` and `access.deny`, by the address of the client as trusted peers state it."""

from typing import Any

import pytest

from proxy.config.access_model import AccessConfig
from proxy.config.route_model import RouteConfig
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of

CASES: list[tuple[dict[str, Any], bytes, int]] = [
    # the route's rules                            what the client says           status
    ({"allow": ["127.0.0.0/8"]},                   b"",                           200),
    ({"allow": ["10.0.0.0/8"]},                    b"",                           403),
    ({"deny": ["127.0.0.1"]},                      b"",                           403),
    ({"deny": ["::ffff:127.0.0.0/104"]},           b"",                           403),
    ({"deny": ["10.0.0.0/8"]},                     b"",                           200),
    # 127.0.0.1 is trusted: the address that it names is what counts.
    ({"allow": ["127.0.0.0/8"]},                   b"X-Forwarded-For: 10.1.1.1",  403),
    ({"allow": ["10.0.0.0/8"]},                    b"X-Forwarded-For: 10.1.1.1",  200),
    ({"deny": ["10.1.1.1"]},                       b"X-Forwarded-For: 10.1.1.1",  403),
    ({"deny": ["10.1.1.1"]},                       b"X-Forwarded-For: 10.1.1.1, 10.1.1.2", 200),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "line", "status"), CASES)
async def test_a_route_lets_networks_in_or_not(rules: dict[str, Any], line: bytes, status: int, reader: str) -> None:
    routes = {"r": RouteConfig(upstream="default", access=AccessConfig(**rules))}
    upstream = ScriptedUpstream(answering(OK, OK))
    async with (
        upstream.serving(),
        running_proxy(upstream.port, reader=reader, routes=routes, trusted_networks=["127.0.0.1"]) as proxy,
        client(proxy.port) as peer,
    ):
        for _ in range(2):  # a refusal costs a client nothing more than its answer
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n" + (line + b"\r\n" if line else b"") + b"\r\n")
            head, _ = await peer.response()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            if status == 403:
                [said] = fields_of(head)["proxy-status"]
                assert "error=http_request_denied" in said
                assert "forbidden: this client is not allowed to use this resource" in said
        await proxy.records.wait_for(2)
        assert [record.error for record in proxy.records] == (["forbidden"] * 2 if status == 403 else ["", ""])
        assert proxy.records[0].route == "r"
        assert upstream.connections == (0 if status == 403 else 1)


async def test_an_untrusted_clients_word_about_itself_counts_for_nothing() -> None:
    routes = {"r": RouteConfig(upstream="default", access=AccessConfig(allow=["10.0.0.0/8"]))}
    async with running_proxy(1, routes=routes) as proxy, client(proxy.port) as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n")
        assert (await peer.response())[0].startswith(b"HTTP/1.1 403 ")


async def test_a_refused_request_whose_body_is_on_its_way_ends_its_connection() -> None:
    routes = {"r": RouteConfig(upstream="default", access=AccessConfig(deny=["127.0.0.1"]))}
    async with running_proxy(1, routes=routes) as proxy, client(proxy.port) as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
        head, _ = await peer.response()
        assert head.startswith(b"HTTP/1.1 403 ")
        assert fields_of(head)["connection"] == ["close"]
