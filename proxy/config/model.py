"""What can be configured: frozen settings, each with its meaning, and how they become what a worker assembles.

Where values come from (file, environment, flags) is the business of `config_sources`.
"""

import inspect
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from proxy.policy.routing import FieldRules, Route, RoutingTable
from proxy.policy.settings import Limits, PoolSettings, Timeouts
from proxy.upstream.origin import Origin

_LISTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]*)):([0-9]{1,5})")
_COMMENTED: Final = re.compile(r"(?m)^    ([a-z_]+): .*  # (.*)$")
_ORIGIN_HOST: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?|[0-9a-f:.]+")  # urlsplit has taken the brackets off IPv6


class FieldRulesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route changes in a message's fields, after hop-by-hop fields were stripped."""

    put: Annotated[dict[str, str], Meta(description="Fields to state, replacing those of the same name.")] = {}
    remove: Annotated[list[str], Meta(description="Names of fields to remove.")] = []


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the routing table. An exact host goes before a wildcard; then the longest path wins."""

    upstream: Annotated[str, Meta(description="Name of the upstream that serves it.")]
    host: Annotated[str, Meta(description='"app.example", "*.example", or "" for any host. The port is ignored.')] = ""
    path: Annotated[str, Meta(description='Path prefix, whole segments: "/api" is "/api" and "/api/x".')] = "/"
    request_fields: FieldRulesConfig = FieldRulesConfig()
    response_fields: FieldRulesConfig = FieldRulesConfig()


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service: one or more origins that answer alike, used in turn."""

    urls: Annotated[list[str], Meta(min_length=1, description="http://HOST[:PORT], one or more.")]
    host: Annotated[str | None, Meta(description="What Host says to it; without it, what the client said.")] = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The effective configuration of an instance."""

    listen: Annotated[
        list[str],
        Meta(min_length=1, description='Addresses as "HOST:PORT"; ":8080" is every interface, port 0 any free port.'),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1:8080"])
    workers: Annotated[int, Meta(ge=0, description="Processes; 0: one per CPU that the cgroup grants.")] = 0
    reader: Annotated[
        Literal["auto", "h11"],
        Meta(description="auto: plain heads by pattern, all others by h11. h11: every message by h11."),
    ] = "auto"
    access_log: Annotated[
        Literal["text", "json", "off"], Meta(description="One line per request on standard output.")
    ] = "text"
    pseudonym: Annotated[
        str,
        Meta(pattern="^[A-Za-z0-9_.-]{1,64}$", description="This proxy's name in Via; a unique suffix is added."),
    ] = "onehop"
    trusted_networks: Annotated[
        list[str], Meta(description="CIDRs of peers whose X-Forwarded-* and X-Request-Id are believed.")
    ] = []
    forwarded: Annotated[bool, Meta(description="Also state RFC 7239 Forwarded.")] = False
    upgrades: Annotated[list[str], Meta(description="Protocols that a client may switch to.")] = msgspec.field(
        default_factory=lambda: ["websocket"]
    )
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    pool: PoolSettings = PoolSettings()
    upstreams: dict[str, UpstreamConfig] = {}
    routes: dict[str, RouteConfig] = {}


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
        )
        for name, route in config.routes.items()
    )


def field_rules(rules: FieldRulesConfig) -> FieldRules | None:
    """A route's rules as the forwarding applies them; None where there are none."""
    if not rules.put and not rules.remove:
        return None
    return FieldRules(
        remove=frozenset(name.lower().encode("ascii") for name in rules.remove),
        put=tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in rules.put.items()),
    )


def config_schema() -> dict[str, object]:
    """The JSON Schema of a configuration file, for editors."""
    schema = msgspec.json.schema(Config)
    for kind in (Timeouts, Limits, PoolSettings):
        properties = schema["$defs"][kind.__name__]["properties"]
        for name, meaning in _commented(kind).items():
            properties[name]["description"] = meaning
    several = schema["$defs"]["Config"]["properties"]["listen"]
    described = {"description": several.pop("description"), "default": Config().listen}
    schema["$defs"]["Config"]["properties"]["listen"] = {"anyOf": [{"type": "string"}, several], **described}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _commented(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What the comments beside a struct's fields say, so that it is said once; and the unit, which its name says."""
    source = "".join(inspect.getsource(base) for base in kind.__mro__ if base.__module__.startswith("proxy."))
    comments: dict[str, str] = dict(_COMMENTED.findall(source))
    units = {"s": "In seconds", "bytes": "In bytes"}
    said = {name: (units.get(name.rpartition("_")[2], ""), comments.get(name, "")) for name in kind.__struct_fields__}
    return {name: ": ".join(filter(None, parts)) + "." for name, parts in said.items()}
