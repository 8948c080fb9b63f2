"""What can be configured of who may use a route, and how often.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class ForwardAuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service that is asked, with the head of each request, whether it may go on: by a 2xx. Its other answers are the
    client's; where it is down or too slow, nothing goes on."""

    upstream: Annotated[str, Meta(description='Name of the upstream that is asked, by GET; "": nobody is.')] = ""
    path: Annotated[str, Meta(description="Path, perhaps with a query, at which it is asked.")] = "/"
    copy: Annotated[
        list[str],
        Meta(description="Names of fields of its answer that the request takes along, and that no client can say."),
    ] = []


class AccessConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use a route. All that is set here is asked, in this order; the address is the client's as
    trusted_networks state it."""

    deny: Annotated[
        list[str], Meta(description="Networks (10.0.0.0/8) or addresses that get a 403, allowed or not.")
    ] = []
    allow: Annotated[
        list[str], Meta(description="Networks or addresses that may; where there are any, others: 403.")
    ] = []
    basic_auth: Annotated[
        str,
        Meta(
            description="A file of users with bcrypt passwords (htpasswd -B), read again when it changes; others get a "
            '401. Authorization goes no further. Needs the extra "auth".'
        ),
    ] = ""
    user_field: Annotated[
        str,
        Meta(
            description="A field in which the service is told the name of who has passed basic_auth, and that no "
            'client can say; "": none.'
        ),
    ] = ""
    forward_auth: ForwardAuthConfig = ForwardAuthConfig()


class RateLimitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often one client may use a route, all workers together: a bucket of tokens, one for each request. IPv6
    addresses count by their first 64 bits."""

    requests_per_s: Annotated[
        float, Meta(description="Tokens that come in a second, more than 0; beyond them: 429.", examples=[10.0])
    ] = 0.0
    burst: Annotated[
        int, Meta(description="Tokens of a full bucket: so many requests at once; 0: as many as come in a second.")
    ] = 0
    by: Annotated[
        str,
        Meta(description='Who is one client: "client_address", or "header:X-Api-Key" (without it: the address).'),
    ] = "client_address"
    dry_run: Annotated[bool, Meta(description="Refuse nobody: only log and count who would be.")] = False
