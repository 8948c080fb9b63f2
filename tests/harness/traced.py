"""A proxy with tracing on, requests to it, and what its upstreams are told of a trace."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from proxy.config.tracing_model import TracingConfig
from tests.harness.collector import Collector
from tests.harness.running_proxy import RunningProxy, running_proxy
from tests.harness.scripted import client, fields_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STATED = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])")


def asking(*lines: str, target: str = "/a", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: h:81", *lines, "", ""]).encode()


def stated(request: bytes) -> tuple[str, str, str]:
    """Trace, span and flags, as an upstream was told them."""
    [value] = fields_of(request)["traceparent"]
    found = STATED.fullmatch(value)
    assert found is not None, value
    return found[1], found[2], found[3]


@asynccontextmanager
async def tracing_proxy(
    collecting: Collector, *ports: int, percent: float = 100.0, **settings: Any
) -> AsyncIterator[RunningProxy]:
    tracing = TracingConfig(otlp_endpoint=collecting.endpoint, sample_percent=percent)
    async with running_proxy(*ports, tracing=tracing, **settings) as proxy:
        yield proxy


async def asked(proxy: RunningProxy, *requests: bytes) -> None:
    async with client(proxy.port) as peer:
        for request in requests:
            await peer.send(request)
            await peer.response()
