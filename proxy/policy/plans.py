"""The possible results of `request_plan`, and what a request means: values alone."""

from typing import Final, TypeAlias

from proxy.errors import ProxyError
from proxy.http1.fields import Fields
from proxy.http1.message import BodyFraming, Value
from proxy.http1.section import Lines
from proxy.policy.local_responses import LocalResponse
from proxy.policy.rewriting import WayBack
from proxy.policy.route import Route
from proxy.policy.trace_context import Stated


class RequestSemantics(Value):
    """What a request means, read before anything is stripped, and stated to the upstream by this hop.

    `authority` is whom the client asked for, empty where a 1.0 client did not say; `host` the Host that the upstream is
    sent; `upgrade` the protocol, as configured; `max_forwards` is counted down already. Without `traced`, tracing is
    off, and the client's trace context is forwarded.
    """

    __slots__ = (
        "authority", "expects_continue", "framing", "host", "max_forwards", "request_id", "traced", "upgrade",
        "wants_trailers",
    )  # fmt: skip

    def __init__(
        self, authority: bytes, host: bytes, framing: BodyFraming, request_id: bytes, expects_continue: bool = False,
        upgrade: bytes | None = None, wants_trailers: bool = False, max_forwards: int | None = None,
        traced: Stated | None = None,
    ) -> None:  # fmt: skip
        self.authority: Final = authority
        self.host: Final = host
        self.framing: Final = framing
        self.request_id: Final = request_id
        self.expects_continue: Final = expects_continue
        self.upgrade: Final = upgrade
        self.wants_trailers: Final = wants_trailers
        self.max_forwards: Final = max_forwards
        self.traced: Final = traced

    def content(self) -> tuple[object, ...]:
        return (
            self.authority, self.host, self.framing, self.request_id, self.expects_continue, self.upgrade,
            self.wants_trailers, self.max_forwards, self.traced,
        )  # fmt: skip


class Forward(Value):
    """The request goes to an upstream.

    `target` is in origin-form: the client's bytes, but for what the route rewrites; `fields` are those that the
    upstream is sent, `kept` the lines of them behind the first, as far as their bytes are known, `framing` is that of
    the body that the client sends. `expects_continue`: it waits for a 100 (Continue) before it sends the body;
    `wants_trailers`: it takes trailer fields. `upstream` is a name; `way_back` says how paths in the response become
    the client's again.

    `upgrade` is the protocol that a 101 may switch to, spelled as configured. The switch comes after the whole request,
    its body included: what the client sends before that belongs to the request (RFC 9110 §7.8).
    """

    __slots__ = (
        "expects_continue", "fields", "framing", "kept", "request_id", "route", "target", "upgrade", "upstream",
        "wants_trailers", "way_back",
    )  # fmt: skip

    def __init__(
        self, route: Route, target: bytes, fields: Fields, framing: BodyFraming, request_id: bytes,
        expects_continue: bool, upgrade: bytes | None, wants_trailers: bool, upstream: str = "",
        way_back: WayBack | None = None, kept: Lines | None = None,
    ) -> None:  # fmt: skip
        self.route: Final = route
        self.target: Final = target
        self.fields: Final = fields
        self.framing: Final = framing
        self.request_id: Final = request_id
        self.expects_continue: Final = expects_continue
        self.upgrade: Final = upgrade
        self.wants_trailers: Final = wants_trailers
        self.upstream: Final = upstream
        self.way_back: Final = way_back
        self.kept = kept  # until the request's head is written: else a long exchange would keep them twice

    def content(self) -> tuple[object, ...]:
        return (
            self.route, self.target, self.fields, self.framing, self.request_id, self.expects_continue, self.upgrade,
            self.wants_trailers, self.upstream, self.way_back,
        )  # fmt: skip


class Refused(Value):
    """The request is answered with an error. `route` is the one that it matched: its rules and pages are for such
    answers, too."""

    __slots__ = ("error", "route")

    def __init__(self, error: ProxyError, route: Route | None = None) -> None:
        self.error: Final = error
        self.route: Final = route

    def content(self) -> tuple[object, ...]:
        return self.error, self.route


Plan: TypeAlias = Forward | LocalResponse | Refused
