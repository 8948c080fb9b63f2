"""Settings: timeouts, limits and those of the pool. Frozen, and checked once, with the configuration.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from proxy.http1.limits import MessageLimits


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each phase may take. Timeouts of bodies and tunnels start again whenever bytes move."""

    request_head_s: Annotated[float, Meta(description="From the first byte of a request head to its last.")] = (
        30.0  # nginx allows 60, Caddy has no limit
    )
    handshake_s: Annotated[
        float, Meta(description="For what precedes HTTP on a new connection: a PROXY header, a TLS handshake.")
    ] = 10.0  # a full handshake takes three round trips, and one may be lost
    request_body_idle_s: Annotated[
        float, Meta(description="Longest pause in which no byte of the request body moves.")
    ] = 60.0
    request_total_s: Annotated[
        float,
        Meta(
            description="From the last byte of a request head to the last byte of its response, tunnels excepted; 0: "
            "no limit. When it expires: 504, or a cut response."
        ),
    ] = 0.0  # downloads, uploads and event streams may take hours; each phase has its own limit
    name_lookup_s: Annotated[float, Meta(description="For looking up the addresses of an upstream's name.")] = 5.0
    connect_s: Annotated[float, Meta(description="For connecting to one address of an upstream, TLS included.")] = 5.0
    continue_s: Annotated[
        float,
        Meta(description="How long an upstream may be silent before onehop itself answers `Expect: 100-continue`."),
    ] = 1.0
    response_head_s: Annotated[float, Meta(description="From the last byte of the request to the response head.")] = (
        60.0
    )
    response_body_idle_s: Annotated[
        float, Meta(description="Longest pause in which no byte of the response body arrives.")
    ] = 60.0
    client_write_idle_s: Annotated[float, Meta(description="How long a client may read nothing of its response.")] = (
        60.0
    )
    client_idle_s: Annotated[float, Meta(description="How long a client connection may be idle between requests.")] = (
        75.0  # what nginx grants, and browsers expect
    )
    client_queue_s: Annotated[
        float,
        Meta(
            description="How long new connections wait in the accept queue while limits.connections is reached and no "
            "client leaves; then 503; 0: no wait."
        ),
    ] = 5.0  # about as long as a balancer's probe waits
    upstream_idle_s: Annotated[
        float,
        Meta(
            description="How long an upstream connection may be idle; keep it below the service's own keep-alive "
            "timeout."
        ),
    ] = 55.0  # below the 60 to 75 of common servers, so that we close first
    tunnel_idle_s: Annotated[float, Meta(description="How long a WebSocket or another tunnel may have no traffic.")] = (
        600.0
    )
    tunnel_half_closed_s: Annotated[
        float,
        Meta(description="How long a tunnel may have no traffic once one side has ended."),
    ] = 600.0  # a program whose input has ended may compute for minutes before it answers (docker exec)
    drain_s: Annotated[
        float, Meta(description="How long requests may continue after SIGTERM or a reload; then they are cut.")
    ] = 8.0  # ends, with a second to spare, before Docker's SIGKILL (10 s), and Kubernetes' (30 s) with a delay before
    tunnel_shutdown_s: Annotated[
        float,
        Meta(
            description="How long tunnels (WebSockets) may continue after a reload; after SIGTERM, too, within "
            "`drain_s`; 0: closed at once."
        ),
    ] = 600.0  # a reload is no reason to end them soon; four old generations are kept at most
    worker_stall_s: Annotated[
        float,
        Meta(
            description="How long a worker's event loop may be stuck before the worker is killed and replaced; 0: "
            "never killed."
        ),
    ] = 10.0
    linger_s: Annotated[
        float,
        Meta(
            description="How long a client that may still be sending has to be silent before its connection is closed."
        ),
    ] = 2.0  # closing with unread bytes is a reset, which would destroy the response
    linger_total_s: Annotated[
        float, Meta(description="After this time such a connection is closed, however much the client still sends.")
    ] = 300.0  # enough for an upload that writes everything before it reads


class Limits(MessageLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a message may be, and how much one worker accepts."""

    passes: Annotated[
        int,
        Meta(
            description="How often one request may pass through this instance, by its own entries in Via or CDN-Loop; "
            "more: 508."
        ),
    ] = 10  # a service may call another one through the proxy in front of both; a loop gets there at once
    request_minimum_bytes_per_s: Annotated[
        int,
        Meta(description="Lowest rate of a request body, over 10 s; slower: 408; 0: only the idle timeout applies."),
    ] = 0  # phones and event sources are slow for good reasons; the idle limit alone lets one byte a minute pass
    connection_buffer_bytes: Annotated[
        int,
        Meta(
            description="Bytes in transit that a connection may hold, in both directions together, once its peer reads "
            "slowly; while it does not, reads are up to 250 KiB."
        ),
    ] = 131_072
    memory_bytes: Annotated[
        int,
        Meta(
            description="Memory of one worker beyond which new connections wait (timeouts.client_queue_s); 0: no limit."
        ),
    ] = 0  # a limit that is too low for what is normal would refuse clients for nothing
    connections: Annotated[
        int,
        Meta(
            description="Client connections at once, per worker, as far as file descriptors allow (ulimit -n). When "
            "more come, idle ones are closed for them, and the rest wait (timeouts.client_queue_s)."
        ),
    ] = 16_384
    connections_per_client: Annotated[
        int,
        Meta(
            description="Connections at once from one address outside trusted_networks (IPv6: one /64), per worker; "
            "more: 429; 0: no limit."
        ),
    ] = 0  # an office or a mobile network may stand behind one address


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How upstream connections are kept for further requests."""

    idle_per_origin: Annotated[int, Meta(description="Idle connections kept open to one origin, per worker.")] = 1_024
    max_requests: Annotated[int, Meta(description="Requests on one connection before it is replaced.")] = 100_000
    max_age_s: Annotated[
        float, Meta(description="Age at which a connection is replaced, so that a changed DNS answer takes effect.")
    ] = 3_600.0
    just_used_s: Annotated[
        float,
        Meta(
            description="A request that cannot be sent twice reuses only a connection that has been idle for less than "
            "this."
        ),
    ] = 1.0
    replay_bytes: Annotated[int, Meta(description="Largest request body that is kept for a retry.")] = 65_536
