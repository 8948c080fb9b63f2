"""Rules for settings that exist globally and per route, and for values that several tables have: numbers, times,
networks, protocols."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from proxy.config.findings import Finding, fault
from proxy.config.units import Unit, unit_of
from proxy.http1.fields import PROTOCOL
from proxy.policy.forwarded import networks

#: Protocols that carry requests which this proxy could not see.
_HIDING_HTTP: Final = frozenset({"h2c", "h2", "http", "tls"})
#: Below this, browsers or WebSockets would be refused, or every message would be.
LEAST_HEAD_BYTES: Final = 1024
_LEAST: Final = {
    ("limits", "request_head_bytes"): LEAST_HEAD_BYTES, ("limits", "response_head_bytes"): 1024,
    ("limits", "target_bytes"): 256, ("limits", "field_count"): 8, ("limits", "connections"): 1,
    ("limits", "nominations"): 1, ("limits", "interim_responses"): 1, ("limits", "passes"): 1,
    ("limits", "connection_buffer_bytes"): 16_384,
    ("pool", "max_requests"): 1,
}  # fmt: skip
#: Above this, a number is a mistake: a process cannot have as many descriptors, or memory would have no bound.
_MOST: Final = {
    "connections": 1_000_000, "request_body_bytes": 1 << 50, "replay_bytes": 1 << 30, "max_requests": 1_000_000_000,
    "connections_per_client": 1_000_000, "request_minimum_bytes_per_s": 1 << 30, "memory_bytes": 1 << 40,
}  # fmt: skip
_MOST_BYTES: Final = 16 << 20  # of what each connection may hold
_MOST_COUNT: Final = 100_000
_MAY_BE_ZERO: Final = frozenset(
    {"worker_stall_s", "client_queue_s", "request_total_s", "tunnel_shutdown_s", "shutdown_delay_s"}
)  # times of which 0 means: never, or at once
_YEAR_S: Final = 365 * 86_400  # event loops refuse timers that they cannot count in milliseconds


def upgrade_problems(key: tuple[str, ...], protocols: Iterable[str]) -> Iterator[Finding]:
    """What is wrong with the protocols that a client may switch to."""
    for protocol in protocols:
        if "*" in protocol:  # a valid token, but meant as a pattern
            yield key, f'"{protocol}"', "names have no wildcards: write each protocol by itself"
        elif not PROTOCOL.fullmatch(protocol.encode("latin-1", "replace")):
            yield key, f'"{protocol}"', "expected a protocol: a name such as websocket, or SPDY/3.1"
        elif protocol.lower().partition("/")[0] in _HIDING_HTTP:
            hidden = "TLS" if protocol.lower().startswith("tls") else "HTTP/2"
            yield key, f'"{protocol}"', f"{hidden} is not supported: inside {protocol}, nothing would be stripped"


def network_problems(key: tuple[str, ...], texts: Iterable[str]) -> Iterator[Finding]:
    """What is wrong with a list of networks, "unix" among them."""
    for text in texts:
        if (expected := fault(lambda text: networks([text]), text)) is not None:
            yield key, f'"{text}"', f"expected a network such as 10.0.0.0/8: {expected}"


def time_problems(key: tuple[str, ...], value: float) -> Iterator[Finding]:
    """What is wrong with a time."""
    if not value > 0 and not (value == 0 and key[-1] in _MAY_BE_ZERO):
        least = "0 seconds or more" if key[-1] in _MAY_BE_ZERO else "more than 0 seconds"
        yield key, f"{value:g}", f"expected {least}"
    elif value > _YEAR_S:
        yield key, f"{value:g}", "expected a year of seconds at most"


def number_problems(key: tuple[str, ...], settings: msgspec.Struct) -> Iterator[Finding]:
    """What is wrong with the numbers of a table, whose name is the last of `key`. The same bounds hold for routes."""
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if value is msgspec.UNSET:
            continue
        least = _LEAST.get((key[-1], name), 0)
        if unit_of(name) is Unit.SECONDS:
            yield from time_problems((*key, name), value)
        elif value < least:
            yield (*key, name), str(value), f"expected {least} or more"
        elif value > (most := _MOST.get(name, _MOST_BYTES if name.endswith("_bytes") else _MOST_COUNT)):
            yield (*key, name), str(value), f"expected {most} or less"
