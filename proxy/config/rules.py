"""What types cannot say about a configuration: rules between keys, and inside texts."""

from collections.abc import Iterator
from typing import Final

import msgspec

from proxy.config.access_rules import access_problems
from proxy.config.build import parse_listen
from proxy.config.findings import Finding, fault
from proxy.config.model import Config
from proxy.config.route_rules import route_problems
from proxy.config.units import Unit, unit_of
from proxy.config.upstream_rules import upstream_problems
from proxy.http1.fields import PROTOCOL
from proxy.policy.forwarded import networks

#: Protocols in which requests would go on unseen.
_HIDING_HTTP: Final = frozenset({"h2c", "h2", "http", "tls"})
#: Below this, browsers or WebSockets would be refused, or every message would be.
_LEAST: Final = {
    ("limits", "request_head_bytes"): 1024, ("limits", "response_head_bytes"): 1024, ("limits", "target_bytes"): 256,
    ("limits", "field_count"): 8, ("limits", "connections"): 1, ("limits", "nominations"): 1,
    ("limits", "interim_responses"): 1, ("limits", "passes"): 1, ("pool", "max_requests"): 1,
}  # fmt: skip
#: Above this, a number is a slip of the hand: a process cannot have as many descriptors, or memory would have no bound.
_MOST: Final = {
    "connections": 1_000_000, "request_body_bytes": 1 << 50, "replay_bytes": 1 << 30, "max_requests": 1_000_000_000,
    "request_minimum_bytes_per_s": 1 << 30,
}  # fmt: skip
_MOST_BYTES: Final = 16 << 20  # of what each connection may hold
_MOST_COUNT: Final = 100_000
_MOST_WORKERS: Final = 1024
_MAY_BE_ZERO: Final = frozenset(
    {"worker_stall_s", "client_queue_s", "request_total_s"}
)  # times of which 0 means: never, or at once
_YEAR_S: Final = 365 * 86_400  # event loops refuse timers that they cannot count in milliseconds


def rule_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with a configuration whose types are right."""
    for listen in config.listen:
        if (expected := fault(parse_listen, listen)) is not None:
            yield ("listen",), f'"{listen}"', f"expected {expected}"
    if config.workers > _MOST_WORKERS:
        yield ("workers",), str(config.workers), f"expected {_MOST_WORKERS} or less"
    for group in ("timeouts", "limits", "pool"):
        yield from _numbers(group, getattr(config, group))
    limits = config.limits
    if _LEAST["limits", "request_head_bytes"] <= limits.request_head_bytes < limits.target_bytes:
        expected = "expected no more than limits.request_head_bytes, of which the target is a part"
        yield ("limits", "target_bytes"), str(limits.target_bytes), expected
    for network in config.trusted_networks:
        if (expected := fault(lambda text: networks([text]), network)) is not None:
            yield ("trusted_networks",), f'"{network}"', f"expected a network such as 10.0.0.0/8: {expected}"
    for protocol in config.upgrades:
        if not PROTOCOL.fullmatch(protocol.encode("latin-1", "replace")):
            yield ("upgrades",), f'"{protocol}"', "expected a protocol: a name such as websocket, or SPDY/3.1"
        elif protocol.lower().partition("/")[0] in _HIDING_HTTP:
            hidden = "TLS" if protocol.lower().startswith("tls") else "HTTP/2"
            expected = f"{hidden} is not spoken here: behind {protocol}, nothing would be stripped"
            yield ("upgrades",), f'"{protocol}"', expected
    yield from upstream_problems(config)
    yield from route_problems(config)
    yield from access_problems(config)


def _numbers(group: str, settings: msgspec.Struct) -> Iterator[Finding]:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        least = _LEAST.get((group, name), 0)
        is_time = unit_of(name) is Unit.SECONDS
        if is_time and not value > 0 and not (value == 0 and name in _MAY_BE_ZERO):
            yield (group, name), f"{value:g}", "expected more than 0 seconds"
        elif is_time and value > _YEAR_S:
            yield (group, name), f"{value:g}", "expected a year of seconds at most"
        elif value < least:
            yield (group, name), str(value), f"expected {least} or more"
        elif not is_time and value > (most := _MOST.get(name, _MOST_BYTES if name.endswith("_bytes") else _MOST_COUNT)):
            yield (group, name), str(value), f"expected {most} or less"
