"""What can be configured of an upstream.

How a key is added: see config/model.py.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings


class UpstreamTlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS to the https:// origins of an upstream."""

    verify: Annotated[
        bool, Meta(description="Whether the certificate must be valid, and valid for the service's name.")
    ] = True
    ca: Annotated[str, Meta(description='A PEM file of the CAs that may sign it; "": those of the system.')] = ""
    server_name: Annotated[str, Meta(description='Name that is asked for (SNI) and verified; "": the URL\'s host.')] = (
        ""
    )
    certificate: Annotated[
        str, Meta(description="A PEM file: onehop's own certificate, for services that ask for one.")
    ] = ""
    key: Annotated[str, Meta(description='A PEM file: its key; "" if the certificate\'s file holds it.')] = ""
    min_version: Annotated[Literal["1.2", "1.3"], Meta(description="Oldest TLS version that is accepted.")] = "1.2"


class UpstreamRetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which failed attempts of a request are followed by another, at another origin if there is one."""

    attempts: Annotated[int, Meta(ge=1, le=100, description="Attempts per request in all; 1: no retry.")] = 2
    on: Annotated[
        list[Literal["connect_failure", "reset", "response_timeout", "502", "503", "504"]],
        Meta(
            description="Failures that are retried. After a connect_failure nothing was sent, so every request is "
            "retried; after the others, only one that may be sent twice, with no body over pool.replay_bytes."
        ),
    ] = msgspec.field(default_factory=lambda: ["connect_failure"])
    methods: Annotated[
        list[str],
        Meta(
            description="Methods that may be sent twice, besides the idempotent ones (RFC 9110).", examples=[["POST"]]
        ),
    ] = []
    budget_percent: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="Retries allowed within 10 s: this percentage of the requests in that time, plus 20 retries. "
            "So they never multiply an outage. Requests for which no connection could be opened are not counted.",
        ),
    ] = 20.0


class OriginConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One origin of a service whose origins differ."""

    url: Annotated[str, Meta(description="http(s)://HOST[:PORT] or unix:/PATH.")]
    weight: Annotated[int, Meta(ge=1, le=1000, description="Its share of the requests, relative to the others'.")] = 1
    backup: Annotated[bool, Meta(description="Used only while no other origin is usable.")] = False


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service: one or more interchangeable origins, written as `urls` or, where they differ, as `origins`."""

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
            description="Instead of urls: each origin with its weight (default 1), and whether it is a backup: used "
            "only while no other is usable.",
            examples=[[{"url": "http://app:8000", "weight": 3}, {"url": "http://spare:8000", "backup": True}]],
        ),
    ] = []
    host: Annotated[
        str | None,
        Meta(description="Host that is sent to the service; if left out, the client's.", examples=["app.internal"]),
    ] = None
    balance: Annotated[
        Literal["round_robin", "least_requests", "random_two", "hash"],
        Meta(
            description="How an origin is chosen: in turn; the one with the fewest requests in progress; the better of "
            "two random ones; or always the same one for the same hash_on. All of them respect weights."
        ),
    ] = "round_robin"
    hash_on: Annotated[
        str,
        Meta(
            description='For balance = "hash": "client_address", "path", "header:NAME" or "cookie:NAME". Requests '
            "without that field or cookie go to the origins in turn."
        ),
    ] = "client_address"
    sticky_cookie: Annotated[
        str,
        Meta(
            description='Name of a cookie that keeps a client on its origin while that is usable; "": none. Its value '
            "does not reveal the origin's address.",
            examples=["origin"],
        ),
    ] = ""
    resolve_s: Annotated[
        float,
        Meta(description="How often names are looked up again; each of their addresses is used as an origin."),
    ] = 30.0  # about the records' time to live where services move
    max_connections: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Connections to each origin, idle ones included, for the whole instance; 0: no limit. Divided "
            "among the workers, of which there are never more than connections. During a reload, what the old workers "
            "still carry comes on top.",
        ),
    ] = 0
    queue: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Requests that may wait for a connection, for the whole instance, first come, first served; "
            "more: 503. Divided among the workers.",
        ),
    ] = 0
    queue_s: Annotated[float, Meta(description="How long a request may wait in the queue; then 503.")] = 5.0
    slow_start_s: Annotated[
        float,
        Meta(description="Time in which a new or returning address gradually gets its full share; 0: at once."),
    ] = 0.0
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
    health_check: Annotated[HealthCheckSettings | None, Meta(description="Without this table: none.")] = None
    ejection: EjectionSettings = EjectionSettings()
    retry: UpstreamRetryConfig = UpstreamRetryConfig()

    def listed(self) -> list[OriginConfig]:
        """The origins, whichever way they are written."""
        return self.origins or [OriginConfig(url=url) for url in self.urls]
