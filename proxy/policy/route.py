"""A route: which requests it serves, and what is decided about them."""

from collections.abc import Mapping

import msgspec

from proxy.policy.access import Access
from proxy.policy.answers import FixedAnswer, Redirect
from proxy.policy.error_pages import ErrorPages
from proxy.policy.field_rules import FieldRules
from proxy.policy.rewriting import Rewriting
from proxy.policy.settings import Limits, Timeouts
from proxy.policy.split import Split


class Mirror(msgspec.Struct, frozen=True):
    """Where copies of requests go: how many of a million, and the `Host` that replaces the client's there."""

    upstream: str
    of_million: int
    host_override: bytes = b""


class Route(msgspec.Struct, frozen=True):
    """One row of the routing table. `host` is `b""` for any, `b"*.example.com"` for its subdomains. `methods` and
    `listeners` are those that it serves, all where there are none; `headers` are names in lower case with the values
    that they must have, `b""` for any.

    `host_override` is the `Host` that the upstream is sent instead of the client's; empty keeps the client's.
    `default_host` is the one for 1.0 clients that sent none. `access` is checked before anything else.
    `timeouts` and `limits` are the global objects where the route has none of its own.
    """

    name: str
    upstream: str = ""
    host: bytes = b""
    path: bytes = b"/"
    methods: frozenset[bytes] = frozenset()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    listeners: frozenset[str] = frozenset()
    request_fields: FieldRules | None = None
    response_fields: FieldRules | None = None
    host_override: bytes = b""
    default_host: bytes = b""
    access: Access | None = None
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    rewriting: Rewriting | None = None
    mirror: Mirror | None = None
    error_pages: ErrorPages | None = None  # with those of all; None: only those
    split: Split | None = None  # instead of `upstream`
    answer: Redirect | FixedAnswer | None = None  # instead of any upstream
    upgrades: Mapping[bytes, bytes] | None = None  # protocols that a client may switch to here; None: as everywhere
