"""Rules for a configuration that types cannot express: between keys, and inside texts."""

from collections.abc import Iterator
from typing import Final

from proxy.config.access_rules import access_problems
from proxy.config.admin_rules import admin_problems
from proxy.config.explain_rules import explain_problems
from proxy.config.findings import Finding
from proxy.config.listener_rules import listener_problems
from proxy.config.log_rules import log_problems
from proxy.config.model import Config
from proxy.config.route_rules import route_problems
from proxy.config.setting_rules import (
    LEAST_HEAD_BYTES,
    network_problems,
    number_problems,
    time_problems,
    upgrade_problems,
)
from proxy.config.tracing_rules import tracing_problems
from proxy.config.upstream_rules import upstream_problems

_MOST_WORKERS: Final = 1024
_LEAST_MEMORY_BYTES: Final = 64 << 20


def rule_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with a configuration whose types are right."""
    if config.workers > _MOST_WORKERS:
        yield ("workers",), str(config.workers), f"expected {_MOST_WORKERS} or less"
    yield from time_problems(("shutdown_delay_s",), config.shutdown_delay_s)
    for group in ("timeouts", "limits", "pool"):
        yield from number_problems((group,), getattr(config, group))
    limits = config.limits
    if LEAST_HEAD_BYTES <= limits.request_head_bytes < limits.target_bytes:
        most = "expected no more than limits.request_head_bytes, of which the target is a part"
        yield ("limits", "target_bytes"), str(limits.target_bytes), most
    if 0 < limits.memory_bytes < _LEAST_MEMORY_BYTES:
        least = f"expected 0 (no limit), or {_LEAST_MEMORY_BYTES} or more: a worker needs half of that for itself"
        yield ("limits", "memory_bytes"), str(limits.memory_bytes), least
    yield from network_problems(("trusted_networks",), config.trusted_networks)
    yield from log_problems(config)
    yield from upgrade_problems(("upgrades",), config.upgrades)
    yield from listener_problems(config)
    yield from upstream_problems(config)
    yield from route_problems(config)
    yield from access_problems(config)
    yield from admin_problems(config)
    yield from explain_problems(config)
    yield from tracing_problems(config)
