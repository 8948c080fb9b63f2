"""`onehop explain`: what this proxy does with a head, field by field, and by which rule.

It calls the functions with which the proxy itself plans, with the same configuration.
"""

from collections.abc import Mapping
from email.utils import formatdate
from typing import Final, NamedTuple, assert_never
from urllib.parse import urlsplit

import msgspec

from proxy.cli.explanation import Explanation, notes, safe, shown_head
from proxy.config.build import plan_settings, routing_table
from proxy.config.model import Config
from proxy.errors import BadRequest, BadResponse, ProtocolError
from proxy.http1 import writer
from proxy.http1.framing import outgoing_response_framing, response_framing
from proxy.http1.message import (
    BodyFraming,
    Chunked,
    FixedLength,
    NoBody,
    RequestHead,
    ResponseHead,
    UntilClose,
)
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.persistence import persists
from proxy.http1.section import Outgoing, outgoing
from proxy.policy.access import Access, check_network
from proxy.policy.decisions import Decisions
from proxy.policy.forwarded import (
    ClientIdentity,
    Network,
    client_address,
    is_trusted,
    networks,
    trusted_request_id,
)
from proxy.policy.local_responses import LocalResponse
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import Forward, Refused
from proxy.policy.request_plan import plan
from proxy.policy.response_fields import (
    final_response_fields,
    interim_response_fields,
    is_switch_to,
    switching_response_fields,
)
from proxy.policy.routing import RoutingTable
from proxy.policy.settings import Limits
from proxy.process.tracing import sampling
from proxy.telemetry.trace import Sampling

_PSEUDONYM: Final = b"onehop"  # a running instance appends its random token
_A_NEW_ID: Final = b"a-new-id"


class Setup(NamedTuple):
    """What an explanation depends on: the configuration and the client."""

    routes: RoutingTable
    settings: PlanSettings
    limits: Limits
    client: ClientIdentity
    trusted: tuple[Network, ...] = ()
    fast_path: bool = True  # whether plain heads are read by the fast path
    sampling: Sampling | None = None  # where tracing is on


def setup_from(config: Config, address: str) -> Setup:
    """The setup that `onehop run` would have with this configuration, for a client at this address."""
    trusted = networks(config.trusted_networks)
    return Setup(
        routing_table(config),
        plan_settings(config, _PSEUDONYM),
        config.limits,
        ClientIdentity(address.encode("ascii"), is_trusted(address, trusted)),
        trusted,
        config.reader == "auto",
        sampling(config),
    )


def answered_request(config: Config, setup: Setup, route: str | None, url: str | None) -> Forward | None:
    """A GET to which the response belongs: for `url`, else for the path of the route. It takes the route that is named,
    whatever its conditions; else the only route, or the one that matches the URL. None: that is not known.

    Raises ValueError where the request would not be forwarded.
    """
    routes = setup.routes
    if route is None and url is None and len(config.routes) != 1:
        return None
    if route is not None or url is None:
        [route] = config.routes if route is None else [route]
        chosen = config.routes[route]
        url = url or f"http://{chosen.host.replace('*', 'any') or 'the-host'}{chosen.path}"
        anything = msgspec.structs.replace(chosen, host="", path="/", methods=[], headers={}, listeners=[])
        routes = routing_table(msgspec.structs.replace(config, routes={route: anything}))
    parts = urlsplit(url)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    parser = HeadParser(setup.limits, fast_path=setup.fast_path)
    parser.receive(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode("latin-1", "replace"))
    try:
        head = parser.request_head()
    except ProtocolError as exc:
        raise ValueError(f"{url}: {exc}") from exc
    assert head is not None
    decided = plan(head, setup.client, routes, setup.settings, _A_NEW_ID)
    if isinstance(decided, Refused):
        raise ValueError(f"{url}: {decided.error.detail}")
    if isinstance(decided, LocalResponse):
        raise ValueError(f"{url}: no service is asked, the route answers itself")
    return decided


def as_wire(text: bytes) -> bytes:
    """Make a head of what a person typed: LF becomes CRLF, and the empty line at the end is added."""
    if b"\r" not in text:
        text = text.replace(b"\n", b"\r\n")
    head = text.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    return head.rstrip(b"\r\n") + b"\r\n\r\n"


def explain_request(raw_head: bytes, setup: Setup) -> Explanation:
    """What happens to a request. Raises ProxyError where the proxy refuses it."""
    parser = HeadParser(setup.limits, fast_path=setup.fast_path)
    parser.receive(raw_head)
    try:
        head = parser.request_head()
    except ProtocolError as exc:
        raise BadRequest.of(exc) from exc
    if head is None:
        raise BadRequest("the head is not complete")
    decisions = Decisions()
    given = trusted_request_id(head.known, head.options) if setup.client.trusted else b""
    traced = None if setup.sampling is None else setup.sampling.begin(head, setup.client).stated
    decided = plan(head, setup.client, setup.routes, setup.settings, given or _A_NEW_ID, decisions, traced)
    remarks = [_persistence(head.http_version, head.options, "client")]
    if decided.route is not None and decided.route.access is not None:
        remarks += _asked(decided.route.access, head, setup)
    if isinstance(decided, Refused):
        raise decided.error
    if isinstance(decided, LocalResponse):
        return Explanation([], [*remarks, *_answered_here(decided)], "")
    remarks.append(f"the body: {_named(decided.framing)}, forwarded as such")
    share = ", by its share" if decided.route.split is not None else ""
    remarks.append(f"the route: {decided.route.name}, to upstream {decided.upstream}{share}")
    if decided.target != head.target and decided.route.rewriting is not None:
        remarks.append(f"the target: {shown_head(head.target)} goes on as {shown_head(decided.target)}")
    if decided.upgrade is not None:
        remarks.append(f"if the service answers 101, the connection becomes a tunnel: {decided.upgrade.decode()}")
    sent = writer.request_head(head.method, decided.target, safe(decided.fields))
    return Explanation(notes(decisions), remarks, shown_head(sent))


def _asked(access: Access, head: RequestHead, setup: Setup) -> list[str]:
    """The checks before the request is forwarded. Raises Forbidden where the client's network is refused."""
    address = setup.client.address.decode()
    if setup.client.trusted:
        address = client_address(address, head.known.get(b"x-forwarded-for", ()), setup.trusted)
    check_network(access, address)
    asked = [f"its networks let {address} in"] if access.allow is not None or access.deny is not None else []
    if access.basic_auth:
        asked.append(f"a name and a password of {access.basic_auth}")
    if access.auth_service is not None:
        along = b", ".join(access.auth_service.copied.values()).decode()
        asked.append(
            f"a 2xx of upstream {access.auth_service.upstream}" + (f", whose {along} goes along" if along else "")
        )
    if access.rate_limit is not None:
        asked.append("a token of its rate limit" + (" (a dry run)" if access.rate_limit.dry_run else ""))
    return [f"the route asks for: {'; '.join(asked)}"]


def _answered_here(answer: LocalResponse) -> list[str]:
    """An answer of the proxy itself, and the reason for it."""
    if answer.route is None:
        return ["nothing goes on: Max-Forwards is 0, so this hop answers (RFC 9110 §7.6.2)"]
    rules = answer.route.response_fields
    fields = answer.fields if rules is None else rules.apply(answer.fields)
    head = writer.response_head(answer.status, answer.reason, outgoing(safe(fields)))
    return [f"the route: {answer.route.name}, answered here:", *(f"  {line}" for line in shown_head(head).splitlines())]


def explain_response(raw_head: bytes, setup: Setup, request: Forward | None = None) -> Explanation:
    """What happens to a response to a GET by an HTTP/1.1 client. `request`: the GET, for the rules of its route.

    Raises ProxyError where the proxy refuses it.
    """
    parser = HeadParser(setup.limits, fast_path=setup.fast_path)
    parser.receive(raw_head)
    try:
        head = parser.response_head()
    except ProtocolError as exc:
        raise BadResponse.of(exc) from exc
    if head is None:
        raise BadResponse("the head is not complete")
    decisions = Decisions()
    if head.status < 200:
        upgrades = setup.settings.upgrades
        if request is not None and request.route.upgrades is not None:
            upgrades = request.route.upgrades
        fields, remarks = _before_the_final_response(head, setup.settings, upgrades, decisions)
    else:
        framing = response_framing(head, b"GET")
        goes_on = outgoing_response_framing(framing, b"1.1")

        def date() -> bytes:
            return formatdate(usegmt=True).encode("ascii")

        if request is None:
            fields = final_response_fields(head, setup.settings, goes_on, date, None, None, decisions)
        else:
            fields = final_response_fields(
                head, setup.settings, goes_on, date, None, request.route.response_fields, decisions,
                upgrades=request.route.upgrades, way_back=request.way_back,
            )  # fmt: skip
        upstream = _persistence(head.http_version, head.options, "upstream")
        if isinstance(framing, UntilClose):
            upstream = "the upstream's connection closes: nothing else delimits the body"
        remarks = [upstream, f"the body: {_named(framing)}; it goes on {_named(goes_on)}"]
    sent = writer.response_head(head.status, head.reason, outgoing(safe(fields.lines())))
    return Explanation(notes(decisions), remarks, shown_head(sent))


def _before_the_final_response(
    head: ResponseHead, settings: PlanSettings, upgrades: Mapping[bytes, bytes], decisions: Decisions
) -> tuple[Outgoing, list[str]]:
    """The fields of a 1xx that are forwarded: it is stripped like any message, and nothing is added."""
    if head.status != 101:
        return interim_response_fields(head, decisions), [
            "the upstream's connection stays open: the final response is still to come"
        ]
    protocol = next((name for lower, name in upgrades.items() if is_switch_to(head, (lower,))), None)
    if protocol is None:
        raise BadResponse("switched protocols to what a client cannot have asked for")
    fields = switching_response_fields(head, settings, protocol, decisions)
    return fields, ["both connections become a tunnel, if the client asked for it; else the answer is 502"]


def _persistence(version: bytes, options: frozenset[bytes], side: str) -> str:
    said = ", ".join(sorted(option.decode("latin-1") for option in options & {b"close", b"keep-alive"}))
    stays = "stays open" if persists(version, options) else "closes"
    return f"the {side}'s connection {stays}: HTTP/{version.decode()} with {said or 'neither close nor keep-alive'}"


def _named(framing: BodyFraming) -> str:
    match framing:
        case NoBody():
            return "none"
        case FixedLength():
            return f"{framing.length} bytes"
        case Chunked():
            return "chunked"
        case UntilClose():
            return "until close"
        case _:
            assert_never(framing)
