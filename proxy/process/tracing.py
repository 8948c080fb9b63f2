"""Tracing in a worker, where it is configured."""

from collections.abc import Callable
from typing import Protocol

from proxy.config.build import candidates
from proxy.config.model import Config
from proxy.config.tracing_rules import traces_url
from proxy.telemetry.error_log import ErrorLog
from proxy.telemetry.events import Sink
from proxy.telemetry.spans import Described
from proxy.telemetry.trace import Sampling


class Tracing(Protocol):
    """The spans of a worker."""

    @property
    def sink(self) -> Sink: ...

    def export_all(self) -> None: ...

    async def close(self, patience_s: float) -> None: ...


def sampling(config: Config) -> Sampling | None:
    """What begins traces and decides which are recorded; None where tracing is off."""
    return Sampling(config.tracing.sample_percent) if config.tracing.otlp_endpoint else None


def tracing(config: Config, instance: str, errors: ErrorLog, count: Callable[[int, int], None]) -> Tracing | None:
    """What exports spans; None where tracing is off. `count` is called with how many were exported, and how many
    dropped."""
    if not config.tracing.otlp_endpoint:
        return None
    # Here, not at the top: it needs the extra `otlp`, and some megabytes of memory.
    from proxy.telemetry import otlp

    described = Described(
        {name: route.path for name, route in config.routes.items()},
        frozenset(
            (name, each.origin.label)
            for name, upstream in config.upstreams.items()
            for each in candidates(upstream)
            if each.origin.tls is not None
        ),
    )
    return otlp.Tracing(
        traces_url(config.tracing.otlp_endpoint),
        described,
        service=config.pseudonym,
        instance=instance,
        warn=lambda text: errors.warn_once_a_minute("tracing", lambda: text),
        count=count,
    )
