"""What becomes of a request: one decision, made before a connection to an upstream is asked for.

The exchange carries it out; `explain` and the demo page show it. Nothing of it is decided a second time.
"""

from collections.abc import Mapping
from typing import Final

from proxy.errors import BadRequest, LoopDetected, NoRoute, ProtocolError, ProxyError
from proxy.http1.fields import protocols
from proxy.http1.framing import request_framing
from proxy.http1.message import NO_BODY, FixedLength, RequestHead, RequestTarget
from proxy.http1.parsing.strictness import asks_for_trailers, expects_continue, max_forwards
from proxy.http1.target import request_target
from proxy.policy.answers import FixedAnswer, Redirect
from proxy.policy.decisions import Decisions
from proxy.policy.forwarded import ClientIdentity, trusted_scheme
from proxy.policy.local_responses import LocalResponse, https_redirect, options_response, reason, trace_response
from proxy.policy.loops import is_loop
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import Forward, Plan, Refused, RequestSemantics
from proxy.policy.request_fields import upstream_request_fields
from proxy.policy.rewriting import Rewriting, WayBack
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from proxy.policy.trace_context import Stated

_METHODS_WITH_LENGTH: Final = frozenset({b"POST", b"PUT", b"PATCH"})
_EMPTY: Final = FixedLength(0)


def plan(
    head: RequestHead,
    client: ClientIdentity,
    routes: RoutingTable,
    settings: PlanSettings,
    request_id: bytes,
    decisions: Decisions | None = None,
    traced: Stated | None = None,
) -> Plan:
    """Decide what becomes of a request: it goes to an upstream, is answered here, or is refused.

    The head has passed `strictness`. Nothing is raised. With `decisions`, each decision about a field
    line is recorded in it. `traced` is the trace context to send to the upstream, where tracing is on.
    """
    route = None
    try:
        known = head.known
        # 1. Read the semantics first: all of it may be in fields that are about to be stripped.
        framing = request_framing(head)
        target = request_target(head)
        if target.secured and not client.trusted and client.scheme != b"https":
            # RFC 9110 §7.4: only a trusted gateway may have got it over a connection that was.
            raise BadRequest("https target on a connection without TLS", status=421, code="misdirected")
        if (b"via" in known or b"cdn-loop" in known) and is_loop(known, settings.pseudonym, settings.passes):
            raise LoopDetected(f"this request has been through this proxy {settings.passes} times")
        hops_left = max_forwards(head) if b"max-forwards" in known else None
        if hops_left == 0:
            return options_response() if head.method == b"OPTIONS" else trace_response(head)
        route = routes.match(target.authority, target.origin_form, head, client.listener)
        if client.https_port and not (route is not None and route.listeners) and not _is_secured(head, client):
            return https_redirect(target, client.https_port)
        if route is None:
            if allowed := routes.methods(target.authority, target.origin_form, head, client.listener):
                error = NoRoute("no route for this method", status=405, code="method_not_allowed")
                error.allowed = tuple(allowed)
                raise error
            raise NoRoute("no route for this host and path")
        origin_form, way_back = target.origin_form, None
        if route.rewriting is not None:
            origin_form, way_back = _rewritten(target, route.rewriting)
        if route.answer is not None:
            return _answer(route, route.answer, target.authority, origin_form)
        upstream, host_override, default_host = route.upstream, route.host_override, route.default_host
        if route.split is not None:
            chosen = route.split.choose(request_id)
            upstream, host_override, default_host = chosen.upstream, chosen.host_override, chosen.default_host
        has_body = framing is not NO_BODY
        if isinstance(framing, FixedLength):
            check_body_size(framing.length, route.limits.request_body_bytes)
            has_body = framing.length > 0
        semantics = RequestSemantics(
            target.authority,
            host_override or target.authority or default_host,
            # RFC 9110 §8.6: these methods anticipate content, so say that there is none.
            _EMPTY if framing is NO_BODY and head.method in _METHODS_WITH_LENGTH else framing,
            request_id,
            b"expect" in known and expects_continue(head) and has_body,
            _upgrade(head, settings.upgrades if route.upgrades is None else route.upgrades)
            if b"upgrade" in known
            else None,
            # To a 1.0 client, none could go on.
            b"te" in known and head.http_version >= b"1.1" and asks_for_trailers(known),
            None if hops_left is None else hops_left - 1,
            traced,
        )
        # 2. Strip, then state.
        fields, kept = upstream_request_fields(head, client, semantics, settings, route.request_fields, decisions)
        if way_back is not None:
            way_back = way_back.of_host(semantics.host, default_host)
        return Forward(
            route,
            origin_form,
            fields,
            framing,
            request_id,
            semantics.expects_continue,
            semantics.upgrade,
            semantics.wants_trailers,
            upstream,
            way_back,
            kept,
        )
    except ProtocolError as error:
        return Refused(BadRequest.of(error), route)
    except ProxyError as error:
        return Refused(error, route)


def _rewritten(target: RequestTarget, rewriting: Rewriting) -> tuple[bytes, WayBack | None]:
    """The target that the service is sent, and the way back. Raises ProtocolError."""
    origin_form, stripped = rewriting.target(target.origin_form)
    outside = rewriting.strip if stripped else b""
    if not rewriting.turn_back or outside == rewriting.add:
        return origin_form, None
    return origin_form, WayBack(outside, rewriting.add, (), target.authority)


def _answer(route: Route, answer: Redirect | FixedAnswer, authority: bytes, target: bytes) -> LocalResponse:
    """What a route answers itself. Raises ProtocolError."""
    fields, body = answer.answer(authority, target)
    return LocalResponse(answer.status, reason(answer.status), fields, body, route)


def _is_secured(head: RequestHead, client: ClientIdentity) -> bool:
    """Whether TLS ended at a trusted gateway: sent there again, the client would be sent here again."""
    return client.trusted and trusted_scheme(head.known, head.options) == b"https"


def check_body_size(size: int, limit: int) -> None:
    """Check the declared length of a request's body, or what has arrived of it. A limit of 0 is none.

    Raises BadRequest 413.
    """
    if limit and size > limit:
        raise BadRequest(f"request body over {limit} bytes", status=413, code="body_too_large")


def _upgrade(head: RequestHead, upgrades: Mapping[bytes, bytes]) -> bytes | None:
    """The protocol to switch to, if the client asks for one of `upgrades` in the form of RFC 9110 §7.8."""
    if head.http_version < b"1.1" or b"upgrade" not in head.options:
        return None
    return next((upgrades[name] for name in protocols(head.known[b"upgrade"]) if name in upgrades), None)
