"""What can be configured of an upstream.

How a key is added: see config/model.py.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings


class UpstreamTlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How TLS is spoken to the https:// origins of an upstream."""

    verify: Annotated[bool, Meta(description="Whether the certificate must be valid and name the service.")] = True
    ca: Annotated[str, Meta(description='A PEM file of those who may sign it; "": the system\'s.')] = ""
    server_name: Annotated[str, Meta(description='Asked for (SNI) and verified; "": the URL\'s host.')] = ""
    certificate: Annotated[str, Meta(description="A PEM file: onehop's own, for services that ask for one.")] = ""
    key: Annotated[str, Meta(description='A PEM file: the key of certificate; "" where both stand in one file.')] = ""
    min_version: Annotated[Literal["1.2", "1.3"], Meta(description="The oldest version that is spoken.")] = "1.2"


class UpstreamRetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which failed attempts of a request are followed by another: at other origins, where there are any."""

    attempts: Annotated[int, Meta(ge=1, le=100, description="Of one request in all; 1: none is sent again.")] = 2
    on: Annotated[
        list[Literal["connect_failure", "reset", "response_timeout", "502", "503", "504"]],
        Meta(
            description="What another attempt is made for. After a connect_failure nothing was sent, and every request "
            "goes elsewhere; for the others, only what may be sent twice, and has no body over pool.replay_bytes."
        ),
    ] = msgspec.field(default_factory=lambda: ["connect_failure"])
    methods: Annotated[
        list[str],
        Meta(
            description="That may reach the service twice, beyond the idempotent ones (RFC 9110).", examples=[["POST"]]
        ),
    ] = []
    budget_percent: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Retries within 10 s, of the requests in that time, and 20 more: so that they never multiply "
            "an outage.",
        ),
    ] = 20.0


class OriginConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One origin of a service whose origins differ."""

    url: Annotated[str, Meta(description="http(s)://HOST[:PORT] or unix:/PATH.")]
    weight: Annotated[int, Meta(ge=1, le=1000, description="Its share of the requests, relative to the others'.")] = 1
    backup: Annotated[bool, Meta(description="Used only while no other origin is usable.")] = False


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service: one or more origins that answer alike, written as `urls` or, where they differ, as `origins`."""

    urls: Annotated[
        list[str],
        Meta(
            min_length=1,
            description="http(s)://HOST[:PORT] or unix:/PATH, one or more.",
            examples=[["http://app:8000"]],
        ),
    ] = []
    origins: Annotated[
        list[OriginConfig],
        Meta(
            min_length=1,
            description="Instead of urls: each with its weight (1), and whether it is a backup: used only while no "
            "other is usable.",
            examples=[[{"url": "http://app:8000", "weight": 3}, {"url": "http://spare:8000", "backup": True}]],
        ),
    ] = []
    host: Annotated[
        str | None,
        Meta(description="What Host says to it; without it, what the client said.", examples=["app.internal"]),
    ] = None
    balance: Annotated[
        Literal["round_robin", "least_requests", "random_two", "hash"],
        Meta(
            description="Which origin gets a request: in turn; the one with the fewest under way; the better of two "
            "drawn by chance; or always the same one for the same hash_on. Weights count in all of them."
        ),
    ] = "round_robin"
    hash_on: Annotated[
        str,
        Meta(
            description='For balance = "hash": "client_address", "path", "header:NAME" or "cookie:NAME". Requests '
            "without such a field or cookie are served in turn."
        ),
    ] = "client_address"
    sticky_cookie: Annotated[
        str,
        Meta(
            description='Name of a cookie by which clients keep their origin while it is usable; "": none. Its value '
            "does not show the origin's address.",
            examples=["origin"],
        ),
    ] = ""
    resolve_s: Annotated[
        float,
        Meta(description="Names are looked up again this often; all their addresses are used, as origins alike."),
    ] = 30.0  # about the records' time to live where services move
    max_connections: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="To each origin, idle ones included, of the whole instance; 0: no limit. Divided over the "
            "workers, of which there are no more than connections. During a reload, requests and tunnels that the old "
            "workers still carry come on top.",
        ),
    ] = 0
    queue: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Requests of the whole instance that wait for a connection, first come, first served; more: "
            "503. Each worker has its part.",
        ),
    ] = 0
    queue_s: Annotated[float, Meta(description="How long each of them waits; then 503.")] = 5.0
    slow_start_s: Annotated[
        float,
        Meta(description="An address that returns, or is new, gets its share gradually; 0: at once."),
    ] = 0.0
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
    health_check: Annotated[HealthCheckSettings | None, Meta(description="Without this table: none.")] = None
    ejection: EjectionSettings = EjectionSettings()
    retry: UpstreamRetryConfig = UpstreamRetryConfig()

    def listed(self) -> list[OriginConfig]:
        """The origins, whichever way they are written."""
        return self.origins or [OriginConfig(url=url) for url in self.urls]
