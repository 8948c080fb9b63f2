"""`[routes.NAME.rate_limit]`: who gets a 429, when it may come again, and who does not."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.config.access_model import AccessConfig, RateLimitConfig
from proxy.config.route_model import RouteConfig
from proxy.exchange.buckets import Buckets
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of


@asynccontextmanager
async def limited(access: AccessConfig | None = None, **limit: Any) -> AsyncIterator[RunningProxy]:
    """A proxy with a limit, in front of a service that answers 200."""
    route = RouteConfig(upstream="default", rate_limit=RateLimitConfig(**limit), access=access or AccessConfig())
    upstream = ScriptedUpstream(answering(*[OK] * 20))
    with contextlib.closing(Buckets()) as buckets:
        async with (
            upstream.serving(),
            running_proxy(upstream.port, routes={"r": route}, buckets=buckets, trusted_networks=["127.0.0.1"]) as proxy,
        ):
            yield proxy


async def statuses(proxy: RunningProxy, *lines: str) -> list[int]:
    """What one client after the other is answered, each with a field line of its own."""
    found = []
    async with client(proxy.port) as peer:
        for line in lines:
            await peer.send(f"GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n".encode())
            head, _ = await peer.response()
            found.append(int(head.split(b" ", 2)[1]))
    return found


async def test_beyond_the_burst_a_client_is_told_when_to_come_again() -> None:
    head = body = b""
    async with limited(requests_per_s=0.1, burst=2) as proxy, client(proxy.port) as peer:
        for status in (200, 200, 429, 429):
            await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            head, body = await peer.response()
            assert head.startswith(b"HTTP/1.1 %d " % status)
        assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        fields = fields_of(head)
        assert 8 <= int(fields["retry-after"][0]) <= 10
        assert "error=http_request_denied" in fields["proxy-status"][0]
        assert b"rate_limited: this client sends too many requests" in body
        await proxy.records.wait_for(4)
        assert [record.error for record in proxy.records] == ["", "", "rate_limited", "rate_limited"]


A, B = "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"
SIX, SIX_AGAIN = "X-Forwarded-For: 2001:db8::1", "X-Forwarded-For: 2001:db8::2"

CASES: list[tuple[dict[str, Any], list[str], list[int]]] = [
    # the limit                           clients, one after the other                  their answers
    ({"burst": 1},                        [A, B, A, B],                                 [200, 200, 429, 429]),
    ({"burst": 1},                        [SIX, SIX_AGAIN],                             [200, 429]),
    ({"burst": 0},                        [A, A],                                       [200, 429]),
    ({"burst": 1, "by": "header:X-Key"},  ["X-Key: a", "X-Key: b", "x-key: a"],         [200, 200, 429]),
    ({"burst": 1, "by": "header:X-Key"},  ["X-Kei: a", "X-Kei: b"],                     [200, 429]),
    ({"burst": 1, "dry_run": True},       [A, A, A],                                    [200, 200, 200]),
]  # fmt: skip


@pytest.mark.parametrize(("limit", "lines", "answers"), CASES)
async def test_each_client_has_a_bucket(limit: dict[str, Any], lines: list[str], answers: list[int]) -> None:
    async with limited(requests_per_s=0.001, **limit) as proxy:
        assert await statuses(proxy, *lines) == answers
        await proxy.records.wait_for(len(lines))
        would = [record.would_refuse for record in proxy.records]
        assert would == (["", "rate_limited", "rate_limited"] if "dry_run" in limit else [""] * len(lines))


async def test_without_a_burst_it_is_what_comes_in_a_second() -> None:
    async with limited(requests_per_s=2.5) as proxy:
        assert (await statuses(proxy, *[A] * 4))[:3] == [200, 200, 200]


async def test_who_is_not_let_in_takes_no_token() -> None:
    access = AccessConfig(deny=["192.0.2.2"])
    async with limited(access, requests_per_s=0.001, burst=1, by="header:X-Key") as proxy:
        assert await statuses(proxy, f"X-Key: a\r\n{B}", f"X-Key: a\r\n{A}", f"X-Key: a\r\n{A}") == [403, 200, 429]
