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


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the routing table. Of those whose conditions a request meets, an exact host goes before a wildcard;
    then the longest path wins, then the most conditions."""

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
    rewrite_location: Annotated[
        bool,
        Meta(description="Undo the change of prefix in Location, Content-Location and the paths of cookies."),
    ] = True
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
