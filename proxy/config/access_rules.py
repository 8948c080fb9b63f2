"""What types cannot say about who may use a route, and what `policy` makes of it."""

from collections.abc import Iterator

from proxy.config.access_model import AccessConfig
from proxy.config.findings import Finding, fault
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.policy.access import Access, NetworkSet
from proxy.policy.forwarded import networks


def access_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with what routes ask before a request goes on."""
    for name, route in config.routes.items():
        yield from _networks(("routes", name, "access"), route.access)


def _networks(key: tuple[str, ...], access: AccessConfig) -> Iterator[Finding]:
    for kind in ("deny", "allow"):
        for network in getattr(access, kind):
            if (expected := fault(lambda text: networks([text]), network)) is not None:
                yield (*key, kind), f'"{network}"', f"expected a network such as 10.0.0.0/8: {expected}"


def access_of(route: RouteConfig) -> Access | None:
    """What is asked before a request of this route goes on; None where nothing is."""
    access = route.access
    if access == AccessConfig():
        return None
    return Access(
        allow=NetworkSet(access.allow) if access.allow else None,
        deny=NetworkSet(access.deny) if access.deny else None,
    )
