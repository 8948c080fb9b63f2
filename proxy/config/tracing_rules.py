"""Rules for tracing that types cannot express, and the URL that spans are sent to."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from proxy.config.findings import Finding, fault
from proxy.config.model import Config
from proxy.http1.masking import shown_text

_NEEDED: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def tracing_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with tracing."""
    tracing = config.tracing
    if not 0 <= tracing.sample_percent <= 100:
        yield ("tracing", "sample_percent"), f"{tracing.sample_percent:g}", "expected a number from 0 to 100"
    if not tracing.otlp_endpoint:
        return
    key, shown = ("tracing", "otlp_endpoint"), f'"{shown_text(tracing.otlp_endpoint)}"'
    if (expected := fault(traces_url, tracing.otlp_endpoint)) is not None:
        yield key, shown, f"expected {expected}"
    elif not _is_installed():
        yield key, shown, "needs the extra \"otlp\": pip install 'onehop[otlp]'"


def traces_url(endpoint: str) -> str:
    """Where spans are sent to. Raises ValueError, whose text says what was expected."""
    form = "http://HOST[:PORT][/PATH] or https://..."
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as exc:  # brackets that hold no address, or no number
        raise ValueError(form) from exc
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or re.search(r"[\s\x00-\x1f]", endpoint)
    ):
        raise ValueError(form)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{form}; put secrets into the environment: OTEL_EXPORTER_OTLP_HEADERS")
    if parts.query or parts.fragment:
        raise ValueError(f"{form} and no more")
    return endpoint if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/v1/traces"


def _is_installed() -> bool:
    try:
        return all(find_spec(name) is not None for name in _NEEDED)
    except ModuleNotFoundError:  # not even the package above it
        return False
