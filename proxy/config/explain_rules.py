"""Rules for explanations in responses that types cannot express."""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.explain_model import ExplainConfig
from proxy.config.findings import Finding
from proxy.config.model import Config
from proxy.config.setting_rules import network_problems
from proxy.http1.field_names import TRAITS, canonical_name, is_secret
from proxy.http1.masking import MASK

_SECRET: Final = re.compile(r"[!-~]{16,256}")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_LEAST_BYTES: Final = 256
_MOST_BYTES: Final = 32_768


def explain_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the [explain] table. The secret itself is never shown."""
    explain = config.explain
    if not explain.secret:
        if explain != ExplainConfig():
            yield ("explain", "secret"), "", "explain needs a secret: without one, it is off"
    elif not _SECRET.fullmatch(explain.secret):
        yield ("explain", "secret"), MASK, "expected 16 to 256 visible ASCII characters, without spaces"
    name = explain.header.encode("latin-1", "replace")
    if not _NAME.fullmatch(name):
        yield ("explain", "header"), f'"{explain.header}"', "expected a field name"
    elif canonical_name(name) in TRAITS or not is_secret(name):
        wanted = (
            'expected a name of its own, with "secret", "token" or "key" in it: then no log and no page shows its value'
        )
        yield ("explain", "header"), f'"{explain.header}"', wanted
    if not explain.networks:
        yield ("explain", "networks"), "[]", 'expected the networks that may ask, such as "10.0.0.0/8"'
    yield from network_problems(("explain", "networks"), explain.networks)
    if not _LEAST_BYTES <= explain.field_bytes <= _MOST_BYTES:
        yield ("explain", "field_bytes"), str(explain.field_bytes), f"expected {_LEAST_BYTES} to {_MOST_BYTES}"
