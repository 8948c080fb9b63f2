"""What can be configured of a route.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proxy.config.access_model import AccessConfig, RateLimitConfig
from proxy.config.route_settings import RouteLimitsConfig, RouteTimeoutsConfig


class FieldRulesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route changes in a message's fields, after hop-by-hop fields were stripped; in responses, in onehop's own
    answers for this route, too."""

    put: Annotated[
        dict[str, str],
        Meta(
            description="Fields to state, replacing those of the same name; a client cannot nominate them away.",
            examples=[{"X-Env": "prod"}],
        ),
    ] = {}
    add: Annotated[
        dict[str, str],
        Meta(description="Fields to state beside those of the same name: one line more.", examples=[{"X-Tag": "edge"}]),
    ] = {}
    remove: Annotated[list[str], Meta(description="Names of fields to remove.", examples=[["X-Debug"]])] = []


class RewritePathConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A path for every path that a pattern matches; others stay. The pattern sees the path in the spelling in which
    routes are compared, without strip_prefix."""

    pattern: Annotated[
        str, Meta(description="In RE2's syntax, whose cost no path makes grow.", examples=["^/u/([0-9]+)$"])
    ] = ""
    to: Annotated[
        str,
        Meta(description="The whole new path; $1 is what the first group has captured.", examples=["/users/$1"]),
    ] = ""


class SplitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upstream's share of a route."""

    upstream: Annotated[str, Meta(description="Its name.")]
    weight: Annotated[
        int, Meta(ge=0, le=10_000, description="Its share of the requests, relative to the others'; 0: none.")
    ] = 1


class RedirectConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of upstream: where clients are sent. {host} is without port, {authority} with it; {path}, {target} (with
    the query) and {query} are as rewritten."""

    to: Annotated[
        str, Meta(description="What Location says, with placeholders.", examples=["https://{host}{target}"])
    ] = ""
    status: Annotated[int, Meta(description="301, 302, 303, 307, or 308: permanent, and the method stays.")] = 308


class RespondConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instead of upstream: a fixed answer."""

    status: Annotated[int, Meta(description="From 200 to 599.", examples=[503])] = 200
    body: Annotated[str, Meta(description="In UTF-8.", examples=["Back at noon."])] = ""
    file: Annotated[str, Meta(description="Instead of body: what it holds, read at start and at reload.")] = ""
    content_type: Annotated[
        str, Meta(description='"": by the suffix of file, else text/plain.', examples=["text/plain"])
    ] = ""


class MirrorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A copy of requests for another upstream, whose response nobody waits for: never delays or fails the request.
    Bodies up to pool.replay_bytes are copied, and 64 copies at once per worker; upgrades are not."""

    upstream: Annotated[str, Meta(description="Its name.", examples=["app"])] = ""
    percent: Annotated[float, Meta(ge=0, le=100, description="Of the requests.", examples=[10.0])] = 100.0


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the routing table. Of those whose conditions a request meets, an exact host goes before a wildcard;
    then the longest path wins, then the most conditions."""

    upstream: Annotated[str, Meta(description="Name of the upstream that serves it.", examples=["app"])] = ""
    split: Annotated[
        list[SplitConfig],
        Meta(
            description="Instead of upstream: several, each with its share of the requests.",
            examples=[[{"upstream": "app", "weight": 90}, {"upstream": "app", "weight": 10}]],
        ),
    ] = []
    redirect: Annotated[RedirectConfig | UnsetType, Meta(description="A redirect instead of upstream.")] = UNSET
    respond: Annotated[RespondConfig | UnsetType, Meta(description="A fixed answer instead of upstream.")] = UNSET
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
    methods: Annotated[
        list[str],
        Meta(
            description="Of requests that it serves; without, any. Where only the method fails, the answer is 405.",
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
        Meta(description="Names of the [listeners] whose requests it serves; without, any.", examples=[["public"]]),
    ] = []
    strip_prefix: Annotated[
        str,
        Meta(
            description="Taken off the path before the service sees it. The query, and the bytes behind the prefix, go "
            "on as they are, unless dot segments in them would lead out of it.",
            examples=["/v1"],
        ),
    ] = ""
    rewrite_path: RewritePathConfig = RewritePathConfig()
    add_prefix: Annotated[str, Meta(description="Put before the path, after all else.", examples=["/internal"])] = ""
    mirror: Annotated[MirrorConfig | UnsetType, Meta(description="Where copies of requests go.")] = UNSET
    rewrite_location: Annotated[
        bool,
        Meta(description="Undo the change of prefix in Location, Content-Location and the paths of cookies."),
    ] = True
    error_pages: Annotated[
        dict[str, str],
        Meta(description="As for all, for this route; those of all where it has none.", examples=[{}]),
    ] = {}
    upgrades: Annotated[
        list[str] | UnsetType,
        Meta(description="Protocols that a client may switch to here, instead of those of all.", examples=[[]]),
    ] = UNSET
    request_fields: FieldRulesConfig = FieldRulesConfig()
    response_fields: FieldRulesConfig = FieldRulesConfig()
    access: AccessConfig = AccessConfig()
    rate_limit: RateLimitConfig = RateLimitConfig()
    timeouts: RouteTimeoutsConfig = RouteTimeoutsConfig()
    limits: RouteLimitsConfig = RouteLimitsConfig()
