"""Filters for exchanges: by route, status, error, field, client, or any text, as on the inspector's page."""

import re
from typing import Final, NamedTuple

import click

from proxy.policy.forwarded import Network, is_trusted, networks
from proxy.telemetry.inspection import Shown

ANY_ERROR: Final = "any"
_STATUS: Final = re.compile(r"[1-5]xx|[1-5][0-9][0-9]")


class Filter(NamedTuple):
    """Conditions that an exchange must meet. Empty ones are met by all."""

    text: str = ""  # anywhere: in its target, host, client, id, route, error, status, or a field; in lower case
    route: str = ""
    statuses: frozenset[str] = frozenset()  # "404", "5xx"
    error: str = ""  # a code, or ANY_ERROR
    field: str = ""  # within "name: value" of a received or added line; in lower case
    clients: tuple[Network, ...] = ()

    def matches(self, exchange: Shown) -> bool:
        """Whether the exchange meets all conditions."""
        status = str(exchange.status)
        if self.route and exchange.route != self.route:
            return False
        if self.statuses and status not in self.statuses and f"{status[0]}xx" not in self.statuses:
            return False
        if self.error and (not exchange.error if self.error == ANY_ERROR else exchange.error != self.error):
            return False
        if self.clients and not is_trusted(exchange.client, self.clients):
            return False
        fields = _fields(exchange) if self.field or self.text else []
        if self.field and not any(self.field in field for field in fields):
            return False
        said = (exchange.method, exchange.target, exchange.host, exchange.client, exchange.id, exchange.route,
                exchange.error, status)  # fmt: skip
        return not self.text or any(self.text in text for text in (*(each.lower() for each in said), *fields))


def _fields(exchange: Shown) -> list[str]:
    return [f"{line.name}: {line.value}".lower() for message in exchange.messages for line in message.lines]


def statuses(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> frozenset[str]:
    """Check an option's values."""
    for status in value:
        if not _STATUS.fullmatch(status):
            raise click.BadParameter(f'{status!r}: expected a status as "404", or a class as "5xx"')
    return frozenset(value)


def clients(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> tuple[Network, ...]:
    """Check an option's values."""
    try:
        return networks(value)
    except ValueError as exc:
        raise click.BadParameter(f'{exc}: expected an address, a network as "10.0.0.0/8", or "unix"') from exc
