"""Values of the proxy with some of their attributes changed."""

import inspect
from typing import Any, TypeVar

from proxy.http1.message import Value
from proxy.telemetry.record import ExchangeRecord

V = TypeVar("V", bound=Value)
_GIVEN = ("client", "started", "request_id", "method", "target", "http_version", "fields", "head")


def replaced(value: V, **changes: Any) -> V:
    """The same with other values of these attributes."""
    names = list(inspect.signature(type(value)).parameters)
    return type(value)(**{name: getattr(value, name) for name in names} | changes)


def exchange_record(client: str = "192.0.2.1", started: float = 0.0, *given: Any, **known: Any) -> ExchangeRecord:
    """A record of which more is known than when it begins."""
    record = ExchangeRecord(client, started, *given, **{name: known.pop(name) for name in _GIVEN if name in known})
    for name, value in known.items():
        setattr(record, name, value)
    return record
