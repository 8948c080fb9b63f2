"""What can be configured: frozen settings, each with its default, its meaning, and its unit in its name.

How a key is added: one annotated field in its struct here (or in policy/settings.py, http1/limits.py), like

    connect_s: Annotated[float, Meta(description="To one address of an upstream.")] = 5.0  # the reason for the default

and what its type cannot say in `rules`. `examples=[...]` shows a value where the default says little. Then `make
reference` writes config/onehop.toml and config/schema.json anew; the environment variable, the flag `--set` and the
messages follow from the field. A name that ends in `_s` is a time, in `_bytes` a size: both may also be written with
units ("1m30s", "64k").
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proxy.policy.settings import Limits, PoolSettings, Timeouts


class FieldRulesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route changes in a message's fields, after hop-by-hop fields were stripped."""

    put: Annotated[
        dict[str, str],
        Meta(
            description="Fields to state, replacing those of the same name; a client cannot nominate them away.",
            examples=[{"X-Env": "prod"}],
        ),
    ] = {}
    remove: Annotated[list[str], Meta(description="Names of fields to remove.", examples=[["X-Debug"]])] = []


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the routing table. An exact host goes before a wildcard; then the longest path wins."""

    upstream: Annotated[str, Meta(description="Name of the upstream that serves it.", examples=["app"])]
    host: Annotated[
        str,
        Meta(
            description='Or "*.example.com" for all its subdomains, or "" for any host. The port is ignored.',
            examples=["api.example.com"],
        ),
    ] = ""
    path: Annotated[
        str,
        Meta(
            description=(
                "Path prefix, whole segments: /v1 and /v1/x, not /v10. Compared after decoding letters, joining "
                "slashes and removing dot segments (//v1, /a/../%761); the client's bytes go on."
            ),
            examples=["/v1"],
        ),
    ] = "/"
    request_fields: FieldRulesConfig = FieldRulesConfig()
    response_fields: FieldRulesConfig = FieldRulesConfig()


class UpstreamTlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How TLS is spoken to the https:// origins of an upstream: version 1.2 or later."""

    verify: Annotated[bool, Meta(description="Whether the certificate must be valid and name the service.")] = True
    ca: Annotated[str, Meta(description='A PEM file of those who may sign it; "": the system\'s.')] = ""
    server_name: Annotated[str, Meta(description='Asked for (SNI) and verified; "": the URL\'s host.')] = ""
    certificate: Annotated[str, Meta(description="A PEM file: onehop's own, for services that ask for one.")] = ""
    key: Annotated[str, Meta(description='A PEM file: the key of certificate; "" where both stand in one file.')] = ""


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service: one or more origins that answer alike, used in turn."""

    urls: Annotated[
        list[str],
        Meta(min_length=1, description="http(s)://HOST[:PORT], one or more.", examples=[["http://app:8000"]]),
    ]
    host: Annotated[
        str | None,
        Meta(description="What Host says to it; without it, what the client said.", examples=["app.internal"]),
    ] = None
    tls: UpstreamTlsConfig = UpstreamTlsConfig()


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The effective configuration of an instance."""

    listen: Annotated[
        list[str],
        Meta(
            min_length=1,
            description='"HOST:PORT" or a list of them; ":8080" is every interface, port 0 any free port.',
        ),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1:8080"])
    access_log: Annotated[
        Literal["text", "json", "off"], Meta(description="One line per request on standard output.")
    ] = "text"
    workers: Annotated[int, Meta(ge=0, description="Processes; 0: one per CPU that the cgroup grants.")] = 0
    reader: Annotated[
        Literal["auto", "h11"],
        Meta(description='"auto": plain heads by a fast path, all others by h11; "h11": every message by h11.'),
    ] = "auto"
    pseudonym: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]{1,64}$(?!\n)",  # `$` alone also matches before a last line end
            description="This proxy's name in Via; a suffix unique to the instance is added.",
        ),
    ] = "onehop"
    trusted_networks: Annotated[
        list[str],
        Meta(description="CIDRs (10.0.0.0/8) of proxies in front, whose X-Forwarded-* and X-Request-Id are believed."),
    ] = []
    forwarded: Annotated[bool, Meta(description="Also state RFC 7239 Forwarded.")] = False
    via: Annotated[
        bool,
        Meta(
            description="State Via towards upstreams (some turn gzip off for it); without it, CDN-Loop counts passes."
        ),
    ] = True
    underscore_names: Annotated[
        Literal["pass", "drop"],
        Meta(description='"drop": no field of a client goes on whose name has a "_", which CGI and WSGI read as "-".'),
    ] = "pass"  # legal (RFC 9110 §5.6.2) and in use; what could be mistaken for a field of ours is dropped in any case
    client_half_close: Annotated[
        bool,
        Meta(
            description="false: a client that ends its side before its response is complete is gone, and the request "
            "is abandoned half a second later; true: it still gets its response."
        ),
    ] = False
    upgrades: Annotated[list[str], Meta(description="Protocols that a client may switch to.")] = msgspec.field(
        default_factory=lambda: ["websocket"]
    )
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    pool: PoolSettings = PoolSettings()
    upstreams: dict[str, UpstreamConfig] = {}
    routes: dict[str, RouteConfig] = {}
