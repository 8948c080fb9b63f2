"""`onehop check --live`: whether every origin can be reached from here, and passes its health check."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import click

from proxy.config.build import candidates
from proxy.config.model import Config
from proxy.config.upstream_model import UpstreamConfig
from proxy.errors import ProxyError
from proxy.transport.deadlines import Deadlines
from proxy.upstream.connector import Connector
from proxy.upstream.health.active import ask
from proxy.upstream.health.settings import HealthCheckSettings
from proxy.upstream.origin import Origin
from proxy.upstream.resolver import Resolver

_AT_ONCE: Final = 16
_MOST_ADDRESSES: Final = 16  # of one name
_TURNS: Final = 4  # of the event loop, until reset connections are closed


class Found(NamedTuple):
    """The result for one origin."""

    upstream: str
    origin: str
    passed: bool
    said: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.passed else 'FAILED'} upstream {self.upstream}, {self.origin}: {self.said}"


def report_origins(config: Config) -> None:
    """Resolve each origin, connect to all its addresses, with TLS where configured, and run its health check once;
    without one, connecting is enough. Ends the command with exit status 1 where one fails."""
    found = asyncio.run(_look(config))
    for each in found:
        click.echo(f"  {each}")
    if not all(each.passed for each in found):
        raise SystemExit(1)


async def _look(config: Config) -> list[Found]:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    deadlines.start()
    resolver = Resolver(loop, timeout_s=config.timeouts.name_lookup_s)
    connector = Connector(deadlines, resolver, connect_s=config.timeouts.connect_s)
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def look_at(name: str, upstream: UpstreamConfig, origin: Origin) -> Found:
        async with at_once:
            passed, said = await _origin(config, upstream, origin, resolver, connector)
        return Found(name, str(origin), passed, said)

    try:
        return list(await asyncio.gather(*(look_at(*each) for each in _origins(config))))
    finally:
        deadlines.stop()
        for _ in range(_TURNS):
            await asyncio.sleep(0)


def _origins(config: Config) -> Iterator[tuple[str, UpstreamConfig, Origin]]:
    for name, upstream in config.upstreams.items():
        for candidate in candidates(upstream):
            yield name, upstream, candidate.origin


async def _origin(
    config: Config, upstream: UpstreamConfig, origin: Origin, resolver: Resolver, connector: Connector
) -> tuple[bool, str]:
    """Whether all addresses of an origin pass, and a text about each."""
    check = upstream.health_check or HealthCheckSettings(timeout_s=config.timeouts.connect_s)
    try:
        addresses = [""] if origin.path else (await resolver.addresses(origin.host))[:_MOST_ADDRESSES]
    except ProxyError as error:
        return False, error.detail or error.code
    except OSError as exc:
        return False, exc.strerror or str(exc)
    passed, said = True, []
    for address in addresses:
        at = origin._replace(address=address) if address != origin.host else origin
        began = time.monotonic()
        try:
            cause = await ask(connector.connect, at, check, upstream.host or "")
        except ProxyError as error:
            cause = error.detail or error.code
        if cause is None:
            what = f"GET {check.path} passed" if check.path else "connected"
            cause = f"{what} in {(time.monotonic() - began) * 1000:.0f} ms"
        else:
            passed = False
        said.append(f"{at.address}: {cause}" if at.address and at.address not in cause else cause)
    return passed, "; ".join(said)
