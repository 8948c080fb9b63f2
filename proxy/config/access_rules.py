"""Rules for access to routes that types cannot express; and the `policy` values that are built from it."""

import math
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Final

from proxy.config.access_model import AccessConfig, ForwardAuthConfig, RateLimitConfig
from proxy.config.findings import Finding
from proxy.config.model import Config
from proxy.config.problem import suggestion
from proxy.config.route_model import RouteConfig
from proxy.config.setting_rules import network_problems
from proxy.exchange.users_file import read_users
from proxy.http1.field_names import CLIENT_IDENTITY_PREFIX, Trait, canonical_name, names
from proxy.http1.fields import TOKEN
from proxy.policy.access import Access, AuthService, NetworkSet
from proxy.policy.auth_request import rules_of
from proxy.policy.rate_limit import SECOND, RateLimit

_MOST_PER_S: Final = 1_000_000
_LONGEST_S: Final = 30 * 86_400  # for a bucket to fill: a limit over a longer time is a mistake
_TARGET: Final = re.compile(r"/[!-\"$-~]*")
_NEVER_COPIED: Final = names(Trait.HOP_BY_HOP | Trait.FRAMING | Trait.AUTHORITY | Trait.STATED_IN_REQUEST)
#: The auth service may need these to identify a client, even if its answer replaces them for the service.
_CREDENTIALS: Final = frozenset({b"authorization", b"cookie"})
_ADDRESSES: Final = names(Trait.CLIENT_IDENTITY)


def access_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the access rules and rate limits of routes."""
    for name, route in config.routes.items():
        for kind in ("deny", "allow"):
            yield from network_problems(("routes", name, "access", kind), getattr(route.access, kind))
        if route.access.basic_auth:
            yield from _basic_auth(("routes", name, "access", "basic_auth"), route.access.basic_auth)
        if route.access.user_field:
            yield from _user_field(("routes", name, "access", "user_field"), route)
        if route.access.forward_auth != ForwardAuthConfig():
            yield from _forward_auth(("routes", name, "access", "forward_auth"), route, config)
        if route.rate_limit != RateLimitConfig():
            yield from _rate_limit(("routes", name, "rate_limit"), route.rate_limit)


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


def _user_field(key: tuple[str, ...], route: RouteConfig) -> Iterator[Finding]:
    field = route.access.user_field
    if not route.access.basic_auth:
        yield key, f'"{field}"', "does nothing without basic_auth"
    elif (expected := _not_stated(field, route)) is not None:
        yield key, f'"{field}"', expected
    elif canonical_name(field.encode()) in map(canonical_name, map(str.encode, route.access.forward_auth.copy)):
        yield key, f'"{field}"', "is copied from the auth service already"


def _not_stated(field: str, route: RouteConfig) -> str | None:
    """Why a field cannot be one that the route states, or None."""
    encoded = field.encode("latin-1", "replace")
    canonical = canonical_name(encoded)
    if not TOKEN.fullmatch(encoded):
        return "expected a field name"
    if canonical in _NEVER_COPIED:
        return "is stated by this proxy itself, or belongs to one hop"
    if canonical in {canonical_name(name.encode("latin-1", "replace")) for name in route.request_fields.put}:
        return "is put by the route already"
    return None


def _forward_auth(key: tuple[str, ...], route: RouteConfig, config: Config) -> Iterator[Finding]:
    auth = route.access.forward_auth
    if not auth.upstream:
        yield (*key, "upstream"), "", "forward_auth needs an upstream to ask"
    elif auth.upstream not in config.upstreams:
        meant = suggestion(auth.upstream, config.upstreams)
        yield (*key, "upstream"), f'"{auth.upstream}"', f"no such upstream{meant}"
    if not _TARGET.fullmatch(auth.path):
        yield (*key, "path"), f'"{auth.path}"', 'expected a path that begins with "/", in visible ASCII, without "#"'
    for name in auth.copy:
        if "*" in name:
            yield (*key, "copy"), f'"{name}"', "names have no wildcards: write each name by itself"
        elif (expected := _not_stated(name, route)) is not None:
            yield (*key, "copy"), f'"{name}"', expected


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


def consumed_fields(config: Config, route: RouteConfig) -> list[bytes]:
    """Names of a client's fields that this route does not forward, in any spelling: this proxy uses or states them."""
    access = route.access
    copied = [name.lower().encode("ascii") for name in access.forward_auth.copy]
    if access.basic_auth:
        copied.append(b"authorization")
    if access.user_field:
        copied.append(access.user_field.lower().encode("ascii"))
    if config.explain.secret:
        copied.append(config.explain.header.lower().encode("ascii"))
    return copied


def access_of(name: str, config: Config, default_host: Callable[[str], bytes]) -> Access | None:
    """The checks of the route called `name`; None where it has none. `default_host` gives the Host that is sent to an
    upstream where neither the client nor the configuration names one."""
    route = config.routes[name]
    access, limit = route.access, route.rate_limit
    auth = access.forward_auth
    if access == AccessConfig() and not limit.requests_per_s:
        return None
    return Access(
        basic_auth=access.basic_auth,
        user_field=access.user_field.encode("ascii"),
        auth_service=AuthService(
            auth.upstream,
            auth.path.encode("ascii"),
            {name.lower().encode("ascii"): name.encode("ascii") for name in auth.copy},
            rules_of(name for name in consumed_fields(config, route) if access.basic_auth or name not in _CREDENTIALS),
            (config.upstreams[auth.upstream].host or "").encode("ascii"),
            default_host(auth.upstream),
        )
        if auth.upstream
        else None,
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
