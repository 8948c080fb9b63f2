"""What can be configured of a route.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proxy.config.access_model import AccessConfig, RateLimitConfig
from proxy.config.route_settings import RouteLimitsConfig, RouteTimeoutsConfig


class FieldRulesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to the fields of a message, after hop-by-hop fields were stripped; those of responses also apply to
    onehop's own answers for this route."""

    put: Annotated[
        dict[str, str],
        Meta(
            description="Fields to set, replacing those of the same name; a client cannot have them removed by "
            "nominating them.",
            examples=[{"X-Env": "prod"}],
        ),
    ] = {}
    add: Annotated[
        dict[str, str],
        Meta(description="Fields to add, beside those of the same name.", examples=[{"X-Tag": "edge"}]),
    ] = {}
    remove: Annotated[list[str], Meta(description="Names of fields to remove.", examples=[["X-Debug"]])] = []


class RewritePathConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new path for each path that matches a pattern; others stay. The pattern is applied to the normalised path
    (see path), after strip_prefix."""

    pattern: Annotated[
        str, Meta(description="In RE2 syntax, which takes linear time whatever the path.", examples=["^/u/([0-9]+)$"])
    ] = ""
    to: Annotated[
        str,
        Meta(description="The whole new path; $1 is what the first group has matched.", examples=["/users/$1"]),
    ] = ""


class SplitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upstream's share of a route."""

    upstream: Annotated[str, Meta(description="Name of the upstream.")]
    weight: Annotated[
        int, Meta(ge=0, le=10_000, description="Its share of the requests, relative to the others'; 0: none.")
    ] = 1


class RedirectConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of upstream: a redirect. {host} is without the port, {authority} with it; {path}, {target} (path and
    query) and {query} are those after rewriting."""

    to: Annotated[
        str, Meta(description="Value of Location, with placeholders.", examples=["https://{host}{target}"])
    ] = ""
    status: Annotated[int, Meta(description="301, 302, 303, 307, or 308 (permanent, keeps the method).")] = 308


class RespondConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of upstream: a fixed answer."""

    status: Annotated[int, Meta(description="A status from 200 to 599.", examples=[503])] = 200
    body: Annotated[str, Meta(description="Text of the answer, sent in UTF-8.", examples=["Back at noon."])] = ""
    file: Annotated[str, Meta(description="A file to send instead of body, read at start and at reload.")] = ""
    content_type: Annotated[
        str, Meta(description='Media type; "": by the suffix of file, else text/plain.', examples=["text/plain"])
    ] = ""


class MirrorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A copy of requests for another upstream, whose responses are discarded: it never delays or fails the request.
    Bodies up to pool.replay_bytes are copied, 64 copies at once per worker at most; upgrades are not copied."""

    upstream: Annotated[str, Meta(description="Name of that upstream.", examples=["app"])] = ""
    percent: Annotated[
        float, Meta(ge=0, le=100, description="Percentage of requests that are copied.", examples=[10.0])
    ] = 100.0


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the routing table. Of the routes whose conditions a request meets, the one with the best host wins
    (exact before wildcard), then the longest path, then the most conditions."""

    upstream: Annotated[str, Meta(description="Name of the upstream that serves it.", examples=["app"])] = ""
    split: Annotated[
        list[SplitConfig],
        Meta(
            description="Instead of upstream: several upstreams, each with its share of the requests.",
            examples=[[{"upstream": "app", "weight": 90}, {"upstream": "app", "weight": 10}]],
        ),
    ] = []
    redirect: Annotated[RedirectConfig | UnsetType, Meta(description="A redirect instead of upstream.")] = UNSET
    respond: Annotated[RespondConfig | UnsetType, Meta(description="A fixed answer instead of upstream.")] = UNSET
    host: Annotated[
        str,
        Meta(
            description='Host name, or "*.example.com" for all its subdomains, or "" for any host. The port is '
            "ignored.",
            examples=["api.example.com"],
        ),
    ] = ""
    path: Annotated[
        str,
        Meta(
            description=(
                "Path prefix, by whole segments: /v1 matches /v1 and /v1/x, not /v10. Paths are compared in "
                "normalised form, with letters decoded, slashes joined and dot segments removed (//v1, /a/../%761); "
                "the client's own bytes go on."
            ),
            examples=["/v1"],
        ),
    ] = "/"
    methods: Annotated[
        list[str],
        Meta(
            description="Methods that it serves; if left out, any. If a request fails by its method alone, the answer "
            "is 405.",
            examples=[["GET", "HEAD"]],
        ),
    ] = []
    headers: Annotated[
        dict[str, str],
        Meta(
            description='Fields that a request must have, all of them, with these values; "": any value.',
            examples=[{"X-Env": "canary"}],
        ),
    ] = {}
    listeners: Annotated[
        list[str],
        Meta(description="Names of the [listeners] whose requests it serves; if left out, any.", examples=[["public"]]),
    ] = []
    strip_prefix: Annotated[
        str,
        Meta(
            description="Prefix that is removed from the path before it goes to the service. The query, and the bytes "
            "behind the prefix, go on unchanged, unless dot segments in them would lead out of it.",
            examples=["/v1"],
        ),
    ] = ""
    rewrite_path: RewritePathConfig = RewritePathConfig()
    add_prefix: Annotated[
        str,
        Meta(
            description="Prefix that is added to the path, after strip_prefix and rewrite_path.", examples=["/internal"]
        ),
    ] = ""
    mirror: Annotated[MirrorConfig | UnsetType, Meta(description="Where copies of requests go.")] = UNSET
    rewrite_location: Annotated[
        bool,
        Meta(description="Undo the change of prefix in Location, Content-Location and cookie paths of responses."),
    ] = True
    error_pages: Annotated[
        dict[str, str],
        Meta(
            description="As the global error_pages, for this route; where it has none for a status, the global ones "
            "apply.",
            examples=[{}],
        ),
    ] = {}
    upgrades: Annotated[
        list[str] | UnsetType,
        Meta(
            description="Protocols that clients may upgrade to on this route, instead of the global ones.",
            examples=[[]],
        ),
    ] = UNSET
    request_fields: FieldRulesConfig = FieldRulesConfig()
    response_fields: FieldRulesConfig = FieldRulesConfig()
    access: AccessConfig = AccessConfig()
    rate_limit: RateLimitConfig = RateLimitConfig()
    timeouts: RouteTimeoutsConfig = RouteTimeoutsConfig()
    limits: RouteLimitsConfig = RouteLimitsConfig()
