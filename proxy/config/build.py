"""From a configuration to what a worker assembles: listen addresses, origins, the routing table, field rules."""

import re
from typing import Final
from urllib.parse import urlsplit

from proxy.config.model import Config, FieldRulesConfig
from proxy.policy.routing import FieldRules, Route, RoutingTable
from proxy.policy.settings import PlanSettings
from proxy.upstream.origin import Origin

_LISTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]*)):([0-9]{1,5})")
_ORIGIN_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?|[0-9a-f:.]+")  # urlsplit has taken the brackets off IPv6


def parse_listen(text: str) -> tuple[str, int]:
    """Split "HOST:PORT" into host ("" is every interface) and port. Raises ValueError."""
    found = _LISTEN.fullmatch(text)
    if found is None or int(found[3]) > 65_535 or not _is_encodable(found[2] or ""):
        raise ValueError('an address as "HOST:PORT"')
    return found[1] or found[2] or "", int(found[3])


def origin_of(url: str) -> Origin:
    """The origin that an upstream's URL names. Raises ValueError, whose text says what was expected."""
    try:
        parts = urlsplit(url)
    except ValueError as exc:  # brackets that hold no IPv6 address
        raise ValueError("http://HOST[:PORT]") from exc
    if parts.scheme == "https":
        raise ValueError("http://HOST[:PORT]; https to upstreams is not supported yet")
    if parts.scheme != "http" or not parts.hostname or re.search(r"[\s\x00-\x1f]", url):
        raise ValueError("http://HOST[:PORT]")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError("http://HOST[:PORT] and no more: the client's target goes on untouched")
    if not _ORIGIN_HOST.fullmatch(parts.hostname) or not _is_encodable(parts.hostname):
        raise ValueError("a host name or an address in http://HOST[:PORT]")
    if parts.port == 0:
        raise ValueError("a port from 1 to 65535 in http://HOST[:PORT]")
    return Origin(parts.hostname, 80 if parts.port is None else parts.port)


def _is_encodable(host: str) -> bool:
    """Whether the resolver will take a name: it raises, and not an OSError, where a label is empty or too long."""
    try:
        host.removesuffix(".").encode("idna")
    except UnicodeError:
        return False
    return True


def routing_table(config: Config) -> RoutingTable:
    """The routes, compiled for lookup."""
    return RoutingTable(
        Route(
            name=name,
            upstream=route.upstream,
            host=route.host.encode("ascii"),
            path=route.path.encode("ascii"),
            request_fields=field_rules(route.request_fields),
            response_fields=field_rules(route.response_fields),
            host_override=(config.upstreams[route.upstream].host or "").encode("ascii"),
            default_host=origin_of(config.upstreams[route.upstream].urls[0]).authority,
        )
        for name, route in config.routes.items()
    )


def plan_settings(config: Config, pseudonym: bytes) -> PlanSettings:
    """What decides about a request besides its route. `pseudonym` is this instance's name in `Via`."""
    return PlanSettings(
        pseudonym=pseudonym,
        upgrades={name.lower().encode("ascii"): name.encode("ascii") for name in config.upgrades},
        state_forwarded=config.forwarded,
        request_body_bytes=config.limits.request_body_bytes,
    )


def field_rules(rules: FieldRulesConfig) -> FieldRules | None:
    """A route's rules as `policy` applies them; None where there are none."""
    if not rules.put and not rules.remove:
        return None
    return FieldRules(
        remove=frozenset(name.lower().encode("ascii") for name in rules.remove),
        put=tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in rules.put.items()),
    )
