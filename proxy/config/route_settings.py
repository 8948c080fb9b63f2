"""Timeouts and limits that a route may have of its own: those that apply once the route of a request is known.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proxy.policy.settings import Limits, Timeouts


class RouteTimeoutsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of the same keys of [timeouts], for this route. Other timeouts apply before the route of a request is
    known, or to connections that routes share."""

    request_body_idle_s: Annotated[
        float | UnsetType,
        Meta(description="Longest pause in which no byte of the request body moves.", examples=[300.0]),
    ] = UNSET
    request_total_s: Annotated[
        float | UnsetType, Meta(description="For a request and its response in all; 0: no limit.", examples=[10.0])
    ] = UNSET
    connect_s: Annotated[
        float | UnsetType,
        Meta(description="For connecting to one address of the upstream, TLS included.", examples=[1.0]),
    ] = UNSET
    continue_s: Annotated[
        float | UnsetType,
        Meta(
            description="How long the upstream may be silent before onehop answers `Expect: 100-continue`.",
            examples=[0.1],
        ),
    ] = UNSET
    response_head_s: Annotated[
        float | UnsetType, Meta(description="From the last byte of the request to the response head.", examples=[300.0])
    ] = UNSET
    response_body_idle_s: Annotated[
        float | UnsetType,
        Meta(description="Longest pause in which no byte of the response body arrives.", examples=[3600.0]),
    ] = UNSET
    client_write_idle_s: Annotated[
        float | UnsetType, Meta(description="How long a client may read nothing of its response.", examples=[300.0])
    ] = UNSET
    tunnel_idle_s: Annotated[
        float | UnsetType,
        Meta(description="How long a WebSocket or another tunnel may have no traffic.", examples=[3600.0]),
    ] = UNSET
    tunnel_half_closed_s: Annotated[
        float | UnsetType,
        Meta(description="How long a tunnel may have no traffic once one side has ended.", examples=[60.0]),
    ] = UNSET
    linger_s: Annotated[
        float | UnsetType,
        Meta(
            description="How long a client that may still be sending has to be silent before its connection is closed.",
            examples=[5.0],
        ),
    ] = UNSET
    linger_total_s: Annotated[
        float | UnsetType,
        Meta(
            description="After this time such a connection is closed, however much the client still sends.",
            examples=[60.0],
        ),
    ] = UNSET


class RouteLimitsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of the same keys of [limits], for this route. Other limits apply before the route of a request is
    known."""

    request_body_bytes: Annotated[
        int | UnsetType, Meta(description="Size of a request body; more: 413; 0: no limit.", examples=[524_288_000])
    ] = UNSET
    request_minimum_bytes_per_s: Annotated[
        int | UnsetType,
        Meta(
            description="Lowest rate of a request body, over 10 s; slower: 408; 0: only the idle timeout applies.",
            examples=[1024],
        ),
    ] = UNSET
    response_head_bytes: Annotated[
        int | UnsetType, Meta(description="Status line and fields; more: 502.", examples=[262_144])
    ] = UNSET
    trailer_bytes: Annotated[
        int | UnsetType, Meta(description="Size of the trailer section behind a chunked body.", examples=[65_536])
    ] = UNSET
    chunk_extension_bytes: Annotated[int | UnsetType, Meta(description="Extensions of one chunk.", examples=[1024])] = (
        UNSET
    )
    interim_responses: Annotated[
        int | UnsetType, Meta(description="1xx responses to one request within a second; more: 502.", examples=[16])
    ] = UNSET
    interim_bytes: Annotated[
        int | UnsetType,
        Meta(description="Fields of one request's 1xx responses within a second; more: 502.", examples=[8192]),
    ] = UNSET


def for_all_only(key: tuple[str, ...]) -> str:
    """The error message for a route's key that only exists globally; "" where there is no such key at all."""
    if len(key) != 4 or key[0] != "routes" or key[2] not in ("timeouts", "limits"):
        return ""
    kinds = {"timeouts": (Timeouts, RouteTimeoutsConfig), "limits": (Limits, RouteLimitsConfig)}
    for_all, own = kinds[key[2]]
    if key[3] not in for_all.__struct_fields__ or key[3] in own.__struct_fields__:
        return ""
    return (
        f"no route can have its own: it applies before the route is known, or to what routes share; "
        f"set {key[2]}.{key[3]}, for all"
    )
