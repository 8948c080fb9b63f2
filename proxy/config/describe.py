"""Routes and upstreams described in a few words: which requests, where to, by which policy."""

from typing import NamedTuple

from proxy.config.destinations import answers_itself, upstreams_of, where
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.http1.field_names import is_secret
from proxy.http1.masking import MASK, shown_text


class RouteInWords(NamedTuple):
    """A route."""

    matches: str  # which requests it serves
    leads_to: str
    upstreams: tuple[str, ...]


class UpstreamInWords(NamedTuple):
    """An upstream. A limit or a queue of 0 is none."""

    balance: str
    health_check: str  # "" where there is none
    max_connections: int
    queue: int


def routes_in_words(config: Config) -> dict[str, RouteInWords]:
    """All routes, by name."""
    return {
        name: RouteInWords(matches(route), shown_text(_leads_to(config, route)), tuple(upstreams_of(route)))
        for name, route in config.routes.items()
    }


def upstreams_in_words(config: Config) -> dict[str, UpstreamInWords]:
    """All upstreams, by name."""
    return {
        name: UpstreamInWords(_balance(upstream), _health_check(upstream), upstream.max_connections, upstream.queue)
        for name, upstream in config.upstreams.items()
    }


def matches(route: RouteConfig) -> str:
    """Which requests a route serves."""
    return ", ".join([f"{route.host or 'any host'}, path {route.path}", *_other_conditions(route)])


def place(route: RouteConfig) -> str:
    """Which requests a route serves, in one short line."""
    return ", ".join([f"{route.host or 'any host'}{route.path}", *_other_conditions(route)])


def _other_conditions(route: RouteConfig) -> list[str]:
    conditions = []
    if route.methods:
        conditions.append(" or ".join(route.methods))
    for name, value in route.headers.items():
        shown = MASK if is_secret(name.encode("latin-1", "replace")) else value
        conditions.append(f"{name}: {shown}" if value else f"with {name}")
    if route.listeners:
        conditions.append(f"by listener {' or '.join(route.listeners)}")
    return conditions


def _leads_to(config: Config, route: RouteConfig) -> str:
    if answers_itself(route) or route.split:
        return where(config, route)
    return f"upstream {route.upstream}"


def _balance(upstream: UpstreamConfig) -> str:
    policy = upstream.balance.replace("_", " ")
    if upstream.balance == "hash":
        policy += f" of {upstream.hash_on}"
    return f"{policy}, sticky by cookie {upstream.sticky_cookie}" if upstream.sticky_cookie else policy


def _health_check(upstream: UpstreamConfig) -> str:
    check = upstream.health_check
    if check is None:
        return ""
    return f"{f'GET {shown_text(check.path)}' if check.path else 'a connection'} every {check.interval_s:g} s"
