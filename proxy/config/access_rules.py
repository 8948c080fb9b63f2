"""What types cannot say about who may use a route, and what `policy` makes of it."""

import math
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from proxy.config.access_model import AccessConfig, RateLimitConfig
from proxy.config.findings import Finding, fault
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.exchange.users_file import read_users
from proxy.http1.field_names import CLIENT_IDENTITY_PREFIX, Trait, canonical_name, names
from proxy.http1.fields import TOKEN
from proxy.policy.access import Access, NetworkSet
from proxy.policy.forwarded import networks
from proxy.policy.rate_limit import SECOND, RateLimit

_MOST_PER_S: Final = 1_000_000
_LONGEST_S: Final = 30 * 86_400  # for a bucket to fill: longer, and a limit would outlive what it was made for
_ADDRESSES: Final = names(Trait.CLIENT_IDENTITY)


def access_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with what routes ask before a request goes on."""
    for name, route in config.routes.items():
        yield from _networks(("routes", name, "access"), route.access)
        if route.access.basic_auth:
            yield from _basic_auth(("routes", name, "access", "basic_auth"), route.access.basic_auth)
        if route.rate_limit != RateLimitConfig():
            yield from _rate_limit(("routes", name, "rate_limit"), route.rate_limit)


def _networks(key: tuple[str, ...], access: AccessConfig) -> Iterator[Finding]:
    for kind in ("deny", "allow"):
        for network in getattr(access, kind):
            if (expected := fault(lambda text: networks([text]), network)) is not None:
                yield (*key, kind), f'"{network}"', f"expected a network such as 10.0.0.0/8: {expected}"


def _basic_auth(key: tuple[str, ...], path: str) -> Iterator[Finding]:
    if find_spec("bcrypt") is None:
        yield key, f'"{path}"', "needs the extra \"auth\": pip install 'onehop[auth]'"
        return
    try:
        read_users(path)
    except OSError as exc:
        yield key, f'"{path}"', f"cannot be read: {exc.strerror}"
    except ValueError as exc:
        yield key, f'"{path}"', f"{path}:{exc}"


def _rate_limit(key: tuple[str, ...], limit: RateLimitConfig) -> Iterator[Finding]:
    rate = limit.requests_per_s
    if rate == 0:
        yield (*key, "requests_per_s"), "", "a rate limit needs requests_per_s"
    elif not 0 < rate <= _MOST_PER_S:
        yield (*key, "requests_per_s"), f"{rate:g}", f"expected more than 0, and {_MOST_PER_S} at most"
    elif limit.burst < 0:
        yield (*key, "burst"), str(limit.burst), "expected 0 or more"
    elif _burst(limit) / rate > _LONGEST_S:
        yield (*key, "burst"), str(limit.burst), "expected no more than the tokens of a month"
    kind, colon, name = limit.by.partition(":")
    canonical = canonical_name(name.encode("latin-1", "replace"))
    if not (limit.by == "client_address" or (kind == "header" and TOKEN.fullmatch(canonical))):
        yield (*key, "by"), f'"{limit.by}"', 'expected "client_address" or "header:NAME"'
    elif colon and (canonical in _ADDRESSES or canonical.startswith(CLIENT_IDENTITY_PREFIX)):
        yield (*key, "by"), f'"{limit.by}"', 'expected "client_address": it is what trusted_networks say it is'


def _burst(limit: RateLimitConfig) -> int:
    return limit.burst or max(1, math.ceil(limit.requests_per_s))


def consumed_fields(route: RouteConfig) -> list[bytes]:
    """Names of fields that no client's request takes beyond this proxy, in any spelling."""
    return [b"authorization"] if route.access.basic_auth else []


def access_of(name: str, route: RouteConfig) -> Access | None:
    """What is asked before a request of this route goes on; None where nothing is."""
    access, limit = route.access, route.rate_limit
    if access == AccessConfig() and not limit.requests_per_s:
        return None
    return Access(
        basic_auth=access.basic_auth,
        rate_limit=RateLimit(
            name.encode(),
            max(1, round(SECOND / limit.requests_per_s)),
            _burst(limit),
            limit.by.partition(":")[2].lower().encode("ascii"),
            limit.dry_run,
        )
        if limit.requests_per_s
        else None,
        allow=NetworkSet(access.allow) if access.allow else None,
        deny=NetworkSet(access.deny) if access.deny else None,
    )
