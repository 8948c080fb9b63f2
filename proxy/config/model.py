"""What can be configured: frozen settings, each with its default, its meaning, and its unit in its name.

How a key is added: one annotated field in its struct here (or in upstream_model, route_model, policy/settings.py,
http1/limits.py), like

    connect_s: Annotated[float, Meta(description="To one address of an upstream.")] = 5.0  # the reason for the default

and what its type cannot say in `rules` (upstream_rules, route_rules). `examples=[...]` shows a value where the default
says little. Then `make reference` writes config/onehop.toml and config/schema.json anew; the environment variable, the
flag `--set` and the messages follow from the field. A name that ends in `_s` is a time, in `_bytes` a size: both may
also be written with units ("1m30s", "64k").
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proxy.config.admin_model import AdminConfig
from proxy.config.explain_model import ExplainConfig
from proxy.config.listener_model import ListenerConfig
from proxy.config.route_model import RouteConfig
from proxy.config.tracing_model import TracingConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.settings import Limits, PoolSettings, Timeouts


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The effective configuration of an instance."""

    listen: Annotated[
        list[str],
        Meta(
            description='"HOST:PORT", or a list of them; ":8080" is every interface, port 0 any free port, unix:/PATH '
            "a Unix socket.",
        ),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1:8080"])
    access_log: Annotated[
        Literal["text", "json", "off"],
        Meta(description="Format of the access log: one line per request, on standard output."),
    ] = "text"
    access_log_file: Annotated[
        str,
        Meta(description="A file for the access log, instead of standard output; SIGUSR1 reopens it after rotation."),
    ] = ""
    access_log_fields: Annotated[
        list[str],
        Meta(
            description='Extra fields in each line, such as "request:User-Agent" or "response:Content-Type"; none that '
            "may hold a secret."
        ),
    ] = []
    log_level: Annotated[
        Literal["error", "warning", "info"],
        Meta(description="Lowest level of onehop's own messages, which go to standard error."),
    ] = "info"
    log_format: Annotated[Literal["text", "json"], Meta(description="Format of onehop's own messages.")] = "text"
    include: Annotated[
        list[str],
        Meta(
            description="More files, relative to this one, such as conf.d/*.toml. Nothing may be set in two files.",
        ),
    ] = []
    workers: Annotated[
        int, Meta(ge=0, description="Number of worker processes; 0: one per CPU that the cgroup grants.")
    ] = 0
    reader: Annotated[
        Literal["auto", "h11"],
        Meta(
            description='"auto": a fast path parses plain heads, and h11 all others; "h11": h11 parses every message.'
        ),
    ] = "auto"
    pseudonym: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]{1,64}$(?!\n)",  # `$` alone also matches before a last line end
            extra={"expected": "one word of letters, digits, _ . and -, 64 at most"},
            description="This proxy's name in Via; a suffix unique to the instance is added.",
        ),
    ] = "onehop"
    trusted_networks: Annotated[
        list[str],
        Meta(
            description="Networks (10.0.0.0/8) of the proxies in front of onehop: their X-Forwarded-* and X-Request-Id "
            "are trusted."
        ),
    ] = []
    forwarded: Annotated[bool, Meta(description="Also send RFC 7239 Forwarded to upstreams.")] = False
    via: Annotated[
        bool,
        Meta(
            description="Send Via to upstreams (some turn gzip off because of it); if false, CDN-Loop is used to "
            "detect loops."
        ),
    ] = True
    underscore_names: Annotated[
        Literal["pass", "drop"],
        Meta(description='"drop": remove client fields whose names contain "_", which CGI and WSGI read as "-".'),
    ] = "pass"  # legal (RFC 9110 §5.6.2) and in use; what could be mistaken for a field of ours is dropped in any case
    client_half_close: Annotated[
        bool,
        Meta(
            description="false: a client that closes its sending side before its response is complete is considered "
            "gone, and its request is abandoned half a second later; true: it still gets its response."
        ),
    ] = False
    upgrades: Annotated[list[str], Meta(description="Protocols that clients may upgrade to.")] = msgspec.field(
        default_factory=lambda: ["websocket"]
    )
    shutdown_delay_s: Annotated[
        float,
        Meta(
            description="How long everything is still served after SIGTERM, while `/readyz` already fails; 0: no delay."
        ),
    ] = 0.0  # a balancer that probes readiness needs a few of its intervals here
    error_pages: Annotated[
        dict[str, str],
        Meta(
            description='Files to send instead of onehop\'s own error texts, by status ("502") or class ("5xx"); '
            "errors of services pass unchanged. {request_id} in a file is replaced. Read at start and at reload."
        ),
    ] = {}
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    pool: PoolSettings = PoolSettings()
    admin: AdminConfig = AdminConfig()
    explain: ExplainConfig = ExplainConfig()
    tracing: TracingConfig = TracingConfig()
    listeners: dict[str, ListenerConfig] = {}
    upstreams: dict[str, UpstreamConfig] = {}
    routes: dict[str, RouteConfig] = {}
