"""Builds the parts of a worker from a configuration: listen addresses, origins, the routing table, field rules."""

import re
from collections.abc import Iterable
from typing import Final, TypeVar, assert_never

import msgspec

from proxy.config.access_rules import access_of, consumed_fields
from proxy.config.destinations import answer_of, mirror_of
from proxy.config.files import error_pages
from proxy.config.listener_model import ListenerTlsConfig
from proxy.config.model import Config
from proxy.config.rewriting import rewriting_of
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.route_settings import RouteLimitsConfig, RouteTimeoutsConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.explaining import Explaining
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import networks
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.retry import IDEMPOTENT, RetrySettings
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from proxy.policy.settings import Limits, Timeouts
from proxy.policy.split import Destination, Split
from proxy.telemetry.series import Names
from proxy.transport.server_tls import ServerTls
from proxy.transport.tls import ClientTls
from proxy.upstream.balancing.base import Balancing
from proxy.upstream.balancing.hash import Hash, hash_key
from proxy.upstream.balancing.least_requests import LeastRequests
from proxy.upstream.balancing.random_two import RandomTwo
from proxy.upstream.balancing.round_robin import RoundRobin
from proxy.upstream.balancing.sticky import Sticky
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Candidate, is_encodable, origin_of, socket_path

AnySettings = TypeVar("AnySettings", Timeouts, Limits)

_LISTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]*)):([0-9]{1,5})")


def parse_listen(text: str) -> tuple[str, int]:
    """Split "HOST:PORT" into host ("" is every interface) and port; of "unix:/PATH", the path stands for the host.
    Raises ValueError."""
    if text.startswith("unix:"):
        return socket_path(text), 0
    found = _LISTEN.fullmatch(text)
    if found is None or int(found[3]) > 65_535 or not is_encodable(found[2] or ""):
        raise ValueError('an address as "HOST:PORT", or unix:/PATH')
    return found[1] or found[2] or "", int(found[3])


def listen_addresses(config: Config) -> list[str]:
    """Every address that is listened on, as configured, in order."""
    return [*config.listen, *(listener.address for listener in config.listeners.values())]


def server_tls(tls: ListenerTlsConfig) -> ServerTls | None:
    """How TLS is spoken to the clients of a listener; None where it is not."""
    if not tls.certificates:
        return None
    return ServerTls(
        certificates=tuple((each.certificate, each.key) for each in tls.certificates),
        min_version=tls.min_version,
        client_certificate=tls.client_certificate,
        client_ca=tls.client_ca,
    )


def candidates(upstream: UpstreamConfig) -> list[Candidate]:
    """The origins of an upstream, in order. Raises ValueError where a URL names none."""
    tls = client_tls(upstream)
    return [Candidate(origin_of(each.url, tls), each.weight, each.backup) for each in upstream.listed()]


def counted_names(config: Config) -> Names:
    """The routes and origins for which there are counters."""
    return Names(
        list(config.routes),
        [(name, each.origin.label) for name, upstream in config.upstreams.items() for each in candidates(upstream)],
    )


def origins_by_route(config: Config) -> dict[str, tuple[tuple[str, str], ...]]:
    """Of each route, the origins that serve it, as pairs of an upstream's name and a label."""
    by_upstream = {
        name: tuple((name, each.origin.label) for each in candidates(upstream))
        for name, upstream in config.upstreams.items()
    }
    return {name: by_upstream.get(route.upstream, ()) for name, route in config.routes.items()}


def balancing(name: str, upstream: UpstreamConfig) -> Balancing:
    """A new balancing policy for an upstream. Raises ValueError where `hash_on` is invalid."""
    policy: Balancing
    match upstream.balance:
        case "round_robin":
            policy = RoundRobin()
        case "least_requests":
            policy = LeastRequests()
        case "random_two":
            policy = RandomTwo()
        case "hash":
            policy = Hash(hash_key(upstream.hash_on))
        case _:
            assert_never(upstream.balance)
    return Sticky(upstream.sticky_cookie, policy, name) if upstream.sticky_cookie else policy


def endpoints(upstream: UpstreamConfig) -> Endpoints:
    """The initial state of the addresses of an upstream."""
    return Endpoints(candidates(upstream), upstream.ejection, upstream.health_check, upstream.slow_start_s)


def share(total: int, workers: int, number: int) -> int:
    """The part that worker `number`, counted from 0, has of the instance's `total`."""
    return total // workers + (number < total % workers)


def retry_settings(upstream: UpstreamConfig) -> RetrySettings:
    """When a request to an upstream is sent again."""
    retry = upstream.retry
    return RetrySettings(
        attempts=retry.attempts,
        on=frozenset(retry.on),
        repeatable=IDEMPOTENT.union(method.encode("ascii") for method in retry.methods),
        budget_percent=retry.budget_percent,
    )


def client_tls(upstream: UpstreamConfig) -> ClientTls:
    """How TLS is spoken to the https origins of an upstream."""
    return ClientTls(**msgspec.structs.asdict(upstream.tls))


def secured_upstreams(config: Config) -> list[ClientTls]:
    """How TLS is spoken to upstreams: each way once."""
    every = config.upstreams.values()
    secured = [each for each in every if any(one.url.lower().startswith("https:") for one in each.listed())]
    return list(dict.fromkeys(map(client_tls, secured)))


def routing_table(config: Config) -> RoutingTable:
    """The routes, compiled for lookup."""

    def default_host(upstream: str) -> bytes:
        return candidates(config.upstreams[upstream])[0].origin.authority

    def destination(upstream: str) -> Destination:
        host = (config.upstreams[upstream].host or "").encode("ascii")
        return Destination(upstream, host, default_host(upstream))

    def split(route: RouteConfig) -> Split | None:
        return Split((destination(share.upstream), share.weight) for share in route.split) if route.split else None

    for_all = error_pages(config, config.error_pages)
    return RoutingTable(
        Route(
            name=name,
            upstream=route.upstream,
            host=route.host.encode("ascii"),
            path=route.path.encode("ascii"),
            methods=frozenset(method.encode("ascii") for method in route.methods),
            headers=conditions(route.headers),
            listeners=frozenset(route.listeners),
            request_fields=field_rules(route.request_fields, consumed_fields(config, route)),
            response_fields=field_rules(route.response_fields),
            host_override=destination(route.upstream).host_override if route.upstream else b"",
            default_host=default_host(route.upstream) if route.upstream else b"",
            split=split(route),
            answer=answer_of(config, route),
            access=access_of(name, config, default_host),
            rewriting=rewriting_of(route),
            mirror=mirror_of(config, route),
            error_pages=error_pages(config, route.error_pages, for_all),
            timeouts=_with_own(config.timeouts, route.timeouts),
            limits=_with_own(config.limits, route.limits),
            upgrades=None if route.upgrades is msgspec.UNSET else protocols(route.upgrades),
        )
        for name, route in config.routes.items()
    )


def conditions(headers: dict[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """Fields that a request must have: names in lower case, and values."""
    return tuple((name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items())


def protocols(names: list[str]) -> dict[bytes, bytes]:
    """Protocols that a client may switch to: in lower case, and as configured."""
    return {name.lower().encode("ascii"): name.encode("ascii") for name in names}


def _with_own(settings: AnySettings, own: RouteTimeoutsConfig | RouteLimitsConfig) -> AnySettings:
    """Settings with those that a route has of its own: the same object where it has none."""
    said = {name: value for name, value in msgspec.structs.asdict(own).items() if value is not msgspec.UNSET}
    return msgspec.structs.replace(settings, **said) if said else settings


def plan_settings(config: Config, pseudonym: bytes) -> PlanSettings:
    """What decides about a request besides its route. `pseudonym` is this instance's name in `Via`."""
    return PlanSettings(
        pseudonym=pseudonym,
        error_pages=error_pages(config, config.error_pages),
        upgrades=protocols(config.upgrades),
        state_forwarded=config.forwarded,
        state_via=config.via,
        passes=config.limits.passes,
        drop_underscores=config.underscore_names == "drop",
    )


def explaining(config: Config) -> Explaining | None:
    """Which requests are explained in their responses; None where none is."""
    explain = config.explain
    if not explain.secret:
        return None
    return Explaining(
        header=explain.header.lower().encode("ascii"),
        secret=explain.secret.encode("ascii"),
        networks=networks(explain.networks),
        server_timing=explain.server_timing,
        field_bytes=explain.field_bytes,
    )


def field_rules(rules: FieldRulesConfig, consumed: Iterable[bytes] = ()) -> FieldRules | None:
    """A route's rules as `policy` applies them; None where there are none. `consumed` fields are removed, too."""
    remove = {name.lower().encode("ascii") for name in rules.remove} | set(consumed)
    if not rules.put and not rules.add and not remove:
        return None
    return FieldRules(
        remove=frozenset(remove),
        put=tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in rules.put.items()),
        add=tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in rules.add.items()),
    )
