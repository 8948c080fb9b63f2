"""The possible results of `request_plan`, and what a request means: values alone."""

from typing import TypeAlias

import msgspec

from proxy.errors import ProxyError
from proxy.http1.fields import Fields
from proxy.http1.message import BodyFraming
from proxy.policy.local_responses import LocalResponse
from proxy.policy.rewriting import WayBack
from proxy.policy.route import Route
from proxy.policy.trace_context import Stated


class RequestSemantics(msgspec.Struct, frozen=True):
    """What a request means, read before anything is stripped, and stated to the upstream by this hop."""

    authority: bytes  # whom the client asked for; empty where a 1.0 client did not say
    host: bytes  # the Host that the upstream is sent
    framing: BodyFraming
    request_id: bytes
    expects_continue: bool = False
    upgrade: bytes | None = None  # the protocol, as configured
    wants_trailers: bool = False
    max_forwards: int | None = None  # already counted down
    traced: Stated | None = None  # None: tracing is off, and the client's trace context is forwarded


class Forward(msgspec.Struct, frozen=True):
    """The request goes to an upstream."""

    route: Route
    target: bytes  # in origin-form: the client's bytes, but for what the route rewrites
    fields: Fields  # of the request as the upstream is sent it
    framing: BodyFraming  # of the body that the client sends
    request_id: bytes
    expects_continue: bool  # the client waits for a 100 (Continue) before it sends the body
    #: The protocol that a 101 may switch to, spelled as configured. The switch comes after the whole request, its body
    #: included: what the client sends before that belongs to the request (RFC 9110 §7.8).
    upgrade: bytes | None
    wants_trailers: bool  # the client takes trailer fields
    upstream: str = ""  # its name
    way_back: WayBack | None = None  # how paths in the response become the client's again


class Refused(msgspec.Struct, frozen=True):
    """The request is answered with an error."""

    error: ProxyError
    route: Route | None = None  # that it matched: its rules and pages are for such answers, too


Plan: TypeAlias = Forward | LocalResponse | Refused
