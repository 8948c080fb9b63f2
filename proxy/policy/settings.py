"""Settings: times, limits, the pool's, and what a plan goes by. Frozen, and checked once, with the configuration.

How a key is added: see config/model.py.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from proxy.http1.limits import MessageLimits
from proxy.policy.error_pages import ErrorPages


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each phase may take. Times of bodies and tunnels start anew with every bit of progress."""

    request_head_s: Annotated[float, Meta(description="From a request head's first byte to its last.")] = (
        30.0  # nginx allows 60, Caddy has no limit
    )
    handshake_s: Annotated[
        float, Meta(description="For what a new connection begins with before HTTP: a PROXY header, a TLS handshake.")
    ] = 10.0  # a full handshake takes three round trips, and one may be lost
    request_body_idle_s: Annotated[float, Meta(description="Without a byte of the request body moving.")] = 60.0
    request_total_s: Annotated[
        float,
        Meta(
            description="From a request head's last byte to its response's last, tunnels excepted; 0: no limit. "
            "Past it: 504, or a cut response."
        ),
    ] = 0.0  # downloads, uploads and event streams may take hours; each phase has its own limit
    name_lookup_s: Annotated[float, Meta(description="For the addresses of an upstream's name.")] = 5.0
    connect_s: Annotated[float, Meta(description="To one address of an upstream.")] = 5.0
    continue_s: Annotated[
        float,
        Meta(description="How long an upstream may be silent before onehop itself answers `Expect: 100-continue`."),
    ] = 1.0
    response_head_s: Annotated[float, Meta(description="From the request's last byte to the response's head.")] = 60.0
    response_body_idle_s: Annotated[float, Meta(description="Without a byte of the response body arriving.")] = 60.0
    client_write_idle_s: Annotated[float, Meta(description="For a client that reads nothing of its response.")] = 60.0
    client_idle_s: Annotated[float, Meta(description="Between a client's requests.")] = (
        75.0  # what nginx grants, and browsers expect
    )
    client_queue_s: Annotated[
        float,
        Meta(
            description="For newcomers, in the accept queue, while there are as many clients as there may be and none "
            "leaves; then 503; 0: at once."
        ),
    ] = 5.0  # about as long as a balancer's probe waits
    upstream_idle_s: Annotated[
        float,
        Meta(description="For an upstream connection without a request; keep it below what the service grants."),
    ] = 55.0  # below the 60 to 75 of common servers, so that we close first
    tunnel_idle_s: Annotated[float, Meta(description="For a WebSocket, or another tunnel, without traffic.")] = 600.0
    tunnel_half_closed_s: Annotated[
        float,
        Meta(description="For a tunnel without traffic of which one side has ended."),
    ] = 600.0  # a program whose input has ended may compute for minutes before it answers (docker exec)
    drain_s: Annotated[float, Meta(description="After SIGTERM or a reload, for what is under way; then it is cut.")] = (
        8.0  # ends, with a second to spare, before Docker's SIGKILL (10 s), and Kubernetes' (30 s) with a delay before
    )
    tunnel_shutdown_s: Annotated[
        float,
        Meta(
            description="After a reload, for the tunnels (WebSockets) there are; after SIGTERM, too, within `drain_s`; "
            "0: at once."
        ),
    ] = 600.0  # a reload is no reason to end them soon; four old generations are kept at most
    worker_stall_s: Annotated[
        float,
        Meta(description="Without a turn of a worker's event loop, after which it is killed and replaced; 0: never."),
    ] = 10.0
    linger_s: Annotated[
        float, Meta(description="Of silence, before a connection is closed on a client that may still be sending.")
    ] = 2.0  # closing with unread bytes is a reset, which would destroy the response
    linger_total_s: Annotated[
        float, Meta(description="However much a client goes on sending what nobody needs, its connection ends then.")
    ] = 300.0  # enough for an upload that writes everything before it reads


class Limits(MessageLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a message may be, and how much one worker takes on."""

    passes: Annotated[
        int, Meta(description="Of one request through this instance, by its own members of Via; more: 508.")
    ] = 10  # a service may call another one through the proxy in front of both; a loop gets there at once
    request_minimum_bytes_per_s: Annotated[
        int,
        Meta(description="A request body slower than this over 10 s: 408; 0: only the idle limit."),
    ] = 0  # phones and event sources are slow for good reasons; the idle limit alone lets one byte a minute pass
    connection_buffer_bytes: Annotated[
        int,
        Meta(
            description="Of bytes in transit that a connection may hold in both directions together, once its peer "
            "takes them slowly; what flows freely is read in pieces of up to 250 KiB."
        ),
    ] = 131_072
    memory_bytes: Annotated[
        int, Meta(description="Of one worker; beyond it, newcomers wait (timeouts.client_queue_s); 0: no limit.")
    ] = 0  # a limit that is too low for what is normal would refuse clients for nothing
    connections: Annotated[
        int,
        Meta(
            description="Clients at once, per worker, as far as file descriptors go (ulimit -n). While more come, idle "
            "ones are closed, and the others wait (timeouts.client_queue_s)."
        ),
    ] = 16_384
    connections_per_client: Annotated[
        int,
        Meta(
            description="Of one address outside trusted_networks (IPv6: one /64), per worker; more: 429; 0: no limit."
        ),
    ] = 0  # an office or a mobile network may stand behind one address


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long upstream connections are kept."""

    idle_per_origin: Annotated[int, Meta(description="Unused connections kept open, per worker.")] = 256
    max_requests: Annotated[int, Meta(description="On one connection; then it is replaced.")] = 100_000
    max_age_s: Annotated[
        float, Meta(description="Of one connection; then it is replaced, so that a changed DNS answer takes effect.")
    ] = 3_600.0
    just_used_s: Annotated[
        float, Meta(description="A request that cannot be sent twice takes an idle connection only this fresh.")
    ] = 1.0
    replay_bytes: Annotated[int, Meta(description="A request body up to this size is kept for one retry.")] = 65_536


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides about a request besides its route."""

    pseudonym: bytes  # in Via: unique to this instance, so that a loop is seen (RFC 9110 §7.6.3)
    upgrades: Mapping[bytes, bytes] = {}  # protocols that a client may switch to: in lower case, and as configured
    state_forwarded: bool = False  # also state RFC 7239 `Forwarded`
    state_via: bool = True  # else passes are counted by `CDN-Loop`
    passes: int = 10  # through this instance, before a request is refused as a loop
    error_pages: ErrorPages | None = None  # where no route has its own
    drop_underscores: bool = False  # fields of clients whose names have a `_`
