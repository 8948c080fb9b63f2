"""The request to a service that decides who may use a route (forward_auth), and what follows from its answer.

It is asked by GET, with the fields of the client's request: no body, nothing that belongs to the client's hop, and
nothing that is about the resource behind the route (conditions, ranges, the form of the body).
"""

from collections.abc import Iterable
from typing import Final

from proxy.http1.field_names import Trait, names
from proxy.http1.fields import Fields
from proxy.http1.message import NO_BODY, RequestHead, ResponseHead
from proxy.http1.target import request_target
from proxy.policy.access import AuthService
from proxy.policy.field_rules import FieldRules
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.local_responses import LocalResponse
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import RequestSemantics
from proxy.policy.request_fields import upstream_request_fields
from proxy.policy.route import Route
from proxy.policy.stripping import MADE_ANEW, STATED_ANEW, Removals, strip
from proxy.policy.trace_context import Stated

#: What is left out of a client's fields: of no use to a service that does not see the body, or about the resource
#: behind it (a 304 would say nothing).
_NOT_ASKED: Final = frozenset({
    b"content-type", b"content-encoding", b"content-language", b"content-location", b"content-range", b"content-digest",
    b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range",
    # Stated by us, whatever a trusted peer says: it may pass on what its client made up, and the service would decide
    # about another request than this one.
    b"x-forwarded-method", b"x-forwarded-uri",
})  # fmt: skip
_REMOVED_FROM_ANSWER: Final = Removals(
    dict.fromkeys(names(Trait.FRAMING), MADE_ANEW) | {b"date": STATED_ANEW, b"trailer": MADE_ANEW}
)


def rules_of(consumed: Iterable[bytes]) -> FieldRules:
    """The rules that remove what an auth service is not sent of the client's fields, `consumed` ones included."""
    return FieldRules(remove=_NOT_ASKED.union(consumed))


def auth_request_fields(
    service: AuthService,
    head: RequestHead,
    client: ClientIdentity,
    settings: PlanSettings,
    request_id: bytes,
    traced: Stated | None = None,
) -> Fields:
    """The field lines of the request to the service. `traced` is the trace context to send, where tracing is on.
    Raises ProtocolError where the client's target is invalid."""
    target = request_target(head)
    host = service.host_override or target.authority or service.default_host
    semantics = RequestSemantics(target.authority, host, NO_BODY, request_id, traced=traced)
    lines, _ = upstream_request_fields(head, client, semantics, settings, service.rules)
    lines += (b"X-Forwarded-Method", head.method), (b"X-Forwarded-Uri", target.origin_form)
    return lines


def copied_fields(service: AuthService, head: ResponseHead) -> Fields:
    """The fields of the answer that are added to the request, without those that its own `Connection` nominates."""
    spelled = service.copied
    kept = strip(head.fields, head.options)
    return [(spelled[name.lower()], value) for name, value in kept if name.lower() in spelled]


def answer_of(head: ResponseHead, body: bytes, settings: PlanSettings, route: Route) -> LocalResponse:
    """The response to the client where the service did not accept the request: the service's own answer."""
    lines = strip(head.fields, head.options, _REMOVED_FROM_ANSWER)
    return LocalResponse(head.status, head.reason, [*lines, settings.via(head.http_version)], body, route)
