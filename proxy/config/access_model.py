"""What can be configured of access to a route: who may use it, and how often.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class ForwardAuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service that decides, by the head of each request, whether it may go on: a 2xx means yes. Any other answer
    goes to the client; if the service is down or too slow, the request is refused."""

    upstream: Annotated[str, Meta(description='Name of the upstream that is asked, by GET; "": none.')] = ""
    path: Annotated[str, Meta(description="Path, with or without a query, that is requested from it.")] = "/"
    copy: Annotated[
        list[str],
        Meta(
            description="Names of fields of its answer that are added to the request; a client's own fields of these "
            "names are removed."
        ),
    ] = []


class AccessConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use a route. Everything that is set here is checked, in this order; the client's address is found by
    trusted_networks."""

    deny: Annotated[
        list[str], Meta(description="Networks (10.0.0.0/8) or addresses that get a 403, even if `allow` has them.")
    ] = []
    allow: Annotated[
        list[str],
        Meta(description="Networks or addresses that may use the route; if there are any, all others get a 403."),
    ] = []
    basic_auth: Annotated[
        str,
        Meta(
            description="A file of users with bcrypt passwords (htpasswd -B), read again when it changes; anybody else "
            'gets a 401. Authorization is not forwarded. Needs the extra "auth".'
        ),
    ] = ""
    user_field: Annotated[
        str,
        Meta(
            description="A field that tells the service which user has passed basic_auth; a client's own field of this "
            'name is removed. "": none.'
        ),
    ] = ""
    forward_auth: ForwardAuthConfig = ForwardAuthConfig()


class RateLimitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often one client may use a route, for all workers together: a token bucket from which each request takes
    one token. IPv6 addresses count by their first 64 bits."""

    requests_per_s: Annotated[
        float,
        Meta(
            description="Tokens added per second, more than 0. A request that finds no token gets a 429.",
            examples=[10.0],
        ),
    ] = 0.0
    burst: Annotated[
        int,
        Meta(
            description="Tokens in a full bucket: how many requests may come at once; 0: as many as are added in a "
            "second."
        ),
    ] = 0
    by: Annotated[
        str,
        Meta(
            description='What tells clients apart: "client_address", or "header:X-Api-Key" (without that field: the '
            "address)."
        ),
    ] = "client_address"
    dry_run: Annotated[
        bool, Meta(description="Refuse nobody: only log and count the requests that would be refused.")
    ] = False
