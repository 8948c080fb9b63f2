"""Times and limits that a route may have of its own: those that count once its route is known.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proxy.policy.settings import Limits, Timeouts


class RouteTimeoutsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of the times of the same names in [timeouts], for this route. The others count before a request has its
    route, or for connections that routes share."""

    request_body_idle_s: Annotated[
        float | UnsetType, Meta(description="Without a byte of the request body moving.", examples=[300.0])
    ] = UNSET
    request_total_s: Annotated[
        float | UnsetType, Meta(description="For a request and its response in all; 0: no limit.", examples=[10.0])
    ] = UNSET
    connect_s: Annotated[float | UnsetType, Meta(description="To one address of the upstream.", examples=[1.0])] = UNSET
    continue_s: Annotated[
        float | UnsetType,
        Meta(description="Of silence, before onehop answers `Expect: 100-continue`.", examples=[0.1]),
    ] = UNSET
    response_head_s: Annotated[
        float | UnsetType, Meta(description="From the request's last byte to the response's head.", examples=[300.0])
    ] = UNSET
    response_body_idle_s: Annotated[
        float | UnsetType, Meta(description="Without a byte of the response body arriving.", examples=[3600.0])
    ] = UNSET
    client_write_idle_s: Annotated[
        float | UnsetType, Meta(description="For a client that reads nothing of its response.", examples=[300.0])
    ] = UNSET
    tunnel_idle_s: Annotated[
        float | UnsetType, Meta(description="For a WebSocket, or another tunnel, without traffic.", examples=[3600.0])
    ] = UNSET
    tunnel_half_closed_s: Annotated[
        float | UnsetType,
        Meta(description="For a tunnel without traffic of which one side has ended.", examples=[60.0]),
    ] = UNSET
    linger_s: Annotated[
        float | UnsetType,
        Meta(description="Of silence, before a client that may still be sending is closed on.", examples=[5.0]),
    ] = UNSET
    linger_total_s: Annotated[
        float | UnsetType, Meta(description="However much such a client goes on sending.", examples=[60.0])
    ] = UNSET


class RouteLimitsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of the limits of the same names in [limits], for this route. The others count before a request has its
    route."""

    request_body_bytes: Annotated[
        int | UnsetType, Meta(description="Request body; more: 413; 0: no limit.", examples=[524_288_000])
    ] = UNSET
    request_minimum_bytes_per_s: Annotated[
        int | UnsetType,
        Meta(description="A request body slower than this over 10 s: 408; 0: only the idle limit.", examples=[1024]),
    ] = UNSET
    response_head_bytes: Annotated[
        int | UnsetType, Meta(description="Status line and fields; more: 502.", examples=[262_144])
    ] = UNSET
    trailer_bytes: Annotated[int | UnsetType, Meta(description="Fields behind a chunked body.", examples=[65_536])] = (
        UNSET
    )
    chunk_extension_bytes: Annotated[int | UnsetType, Meta(description="Extensions of one chunk.", examples=[1024])] = (
        UNSET
    )
    interim_responses: Annotated[
        int | UnsetType, Meta(description="1xx of one request within a second; more: 502.", examples=[16])
    ] = UNSET
    interim_bytes: Annotated[
        int | UnsetType, Meta(description="Fields of one request's 1xx within a second; more: 502.", examples=[8192])
    ] = UNSET


def for_all_only(key: tuple[str, ...]) -> str:
    """What to say of a route's key that exists for all routes only; "" where there is no such key at all."""
    if len(key) != 4 or key[0] != "routes" or key[2] not in ("timeouts", "limits"):
        return ""
    kinds = {"timeouts": (Timeouts, RouteTimeoutsConfig), "limits": (Limits, RouteLimitsConfig)}
    for_all, own = kinds[key[2]]
    if key[3] not in for_all.__struct_fields__ or key[3] in own.__struct_fields__:
        return ""
    return (
        f"no route can have its own: it counts before a request has its route, or for what routes share; "
        f"set {key[2]}.{key[3]}, for all"
    )
