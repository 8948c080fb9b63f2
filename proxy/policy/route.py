"""A route: which requests it serves, and what is decided about them."""

from collections.abc import Mapping
from typing import Final

from proxy.http1.message import Value
from proxy.policy.access import Access
from proxy.policy.answers import FixedAnswer, Redirect
from proxy.policy.error_pages import ErrorPages
from proxy.policy.field_rules import FieldRules
from proxy.policy.rewriting import Rewriting
from proxy.policy.settings import Limits, Timeouts
from proxy.policy.split import Split


class Mirror(Value):
    """Where copies of requests go: how many of a million, and the `Host` that replaces the client's there."""

    __slots__ = ("host_override", "of_million", "upstream")

    def __init__(self, upstream: str, of_million: int, host_override: bytes = b"") -> None:
        self.upstream: Final = upstream
        self.of_million: Final = of_million
        self.host_override: Final = host_override

    def content(self) -> tuple[object, ...]:
        return self.upstream, self.of_million, self.host_override


_TIMEOUTS: Final = Timeouts()
_LIMITS: Final = Limits()


class Route:
    """One row of the routing table. `host` is `b""` for any, `b"*.example.com"` for its subdomains. `methods` and
    `listeners` are those that it serves, all where there are none; `headers` are names in lower case with the values
    that they must have, `b""` for any.

    `host_override` is the `Host` that the upstream is sent instead of the client's; empty keeps the client's.
    `default_host` is the one for 1.0 clients that sent none. `access` is checked before anything else.
    `timeouts` and `limits` are the global objects where the route has none of its own.
    """

    __slots__ = (
        "access", "answer", "default_host", "error_pages", "headers", "host", "host_override", "limits", "listeners",
        "methods", "mirror", "name", "path", "request_fields", "response_fields", "rewriting", "split", "timeouts",
        "upgrades", "upstream",
    )  # fmt: skip

    def __init__(
        self, name: str, upstream: str = "", host: bytes = b"", path: bytes = b"/",
        methods: frozenset[bytes] = frozenset(), headers: tuple[tuple[bytes, bytes], ...] = (),
        listeners: frozenset[str] = frozenset(), request_fields: FieldRules | None = None,
        response_fields: FieldRules | None = None, host_override: bytes = b"", default_host: bytes = b"",
        access: Access | None = None, timeouts: Timeouts = _TIMEOUTS, limits: Limits = _LIMITS,
        rewriting: Rewriting | None = None, mirror: Mirror | None = None, error_pages: ErrorPages | None = None,
        split: Split | None = None, answer: Redirect | FixedAnswer | None = None,
        upgrades: Mapping[bytes, bytes] | None = None,
    ) -> None:  # fmt: skip
        self.name: Final = name
        self.upstream: Final = upstream
        self.host: Final = host
        self.path: Final = path
        self.methods: Final = methods
        self.headers: Final = headers
        self.listeners: Final = listeners
        self.request_fields: Final = request_fields
        self.response_fields: Final = response_fields
        self.host_override: Final = host_override
        self.default_host: Final = default_host
        self.access: Final = access
        self.timeouts: Final = timeouts
        self.limits: Final = limits
        self.rewriting: Final = rewriting
        self.mirror: Final = mirror
        self.error_pages: Final = error_pages  # with those of all; None: only those
        self.split: Final = split  # instead of `upstream`
        self.answer: Final = answer  # instead of any upstream
        self.upgrades: Final = upgrades  # protocols that a client may switch to here; None: as everywhere
