"""The two laws of the oracle: what may come of a client's bytes, and of an upstream's."""

import re
from typing import Final, Protocol

from proxy.telemetry.record import ExchangeRecord
from tests.fuzz.cases import Case
from tests.harness import strict
from tests.harness.strict import Incomplete, Lines, Request, Response, Violation

_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive te trailer transfer-encoding upgrade proxy-authenticate proxy-authorization "
    b"proxy-connection proxy-authentication-info http2-settings".split()
)
_CLIENT_IDENTITY: Final = re.compile(rb"forwarded|x-forwarded.*|x-real-ip|x-request-id")
#: What CGI and WSGI services would take for variables of their own, or for fields that end here.
_SERVICE_VARIABLE: Final = re.compile(
    rb"transfer_encoding|content_length|content_type|max_forwards|cdn_loop|proxy|keep_alive|http2_settings"
    rb"|proxy[-_]connection|proxy[-_]authenticate|proxy[-_]authorization|proxy[-_]authentication[-_]info"
)
_STATED_UPSTREAM: Final = frozenset(b"host via content-length expect max-forwards".split())
_STATED_DOWNSTREAM: Final = frozenset(b"via content-length date".split())


class Find(Exception):
    """A law is broken."""


class Heard(Protocol):
    """What a client has received, and whether its connection broke."""

    received: bytearray
    broken: bool


def _all_requests(data: bytes) -> tuple[list[Request], str]:
    """The requests in a client's bytes up to the first that ends the connection, and what then goes wrong, if anything."""
    requests: list[Request] = []
    at = 0
    while data[at:].strip(b"\r\n"):  # a line end behind the last request is nothing, whole or not
        try:
            request, at = strict.request(data, at)
        except (Violation, Incomplete) as exc:
            return requests, f"{type(exc).__name__} {exc}"
        requests.append(request)
        if strict.closes(request):
            break
    return requests, ""


def _not_from_a_client(name: bytes) -> bool:
    """Whether it would speak for this hop, or to a service as one of its variables."""
    return bool(_CLIENT_IDENTITY.fullmatch(name.replace(b"_", b"-")) or _SERVICE_VARIABLE.fullmatch(name))


def _end_to_end(lines: Lines, nominating: Lines, stated: frozenset[bytes], *, request: bool) -> Lines:
    ending_here = _HOP_BY_HOP | stated | set(strict.words(nominating, b"connection"))
    return [
        line for line in lines
        if line[0] not in ending_here and not (request and _not_from_a_client(line[0]))
    ]  # fmt: skip


def judge_client(case: Case, client: Heard, outcomes: list[ExchangeRecord], arrived: list[Request]) -> None:
    """Law A. Raises Find, Violation, Incomplete."""
    meant, trouble = _all_requests(case.data)
    forwarded = 0
    for position, outcome in enumerate(outcomes):
        last = position == len(outcomes) - 1
        if outcome.status in (0, 499, 500):
            raise Find(f"a client's bytes ended in {outcome}")
        if outcome.error and outcome.status != 508:
            if not last:
                raise Find(f"a refusal that is not the last word: {outcomes}")
            continue
        if position >= len(meant):
            if outcome.origin == "" and last:
                continue  # answered here, before its body turned out wrong
            raise Find(f"forwarded {outcome.method!r} {outcome.target!r}, and the strict reader finds: {trouble}")
        request = meant[position]
        if (outcome.method, outcome.target) != (request.method, request.target):
            raise Find(f"logged {outcome.method!r} {outcome.target!r}, meant {request}")
        if outcome.origin == "":
            continue  # OPTIONS or TRACE that ended here, or a loop: the connection may go on
        if forwarded >= len(arrived):
            raise Find("logged as forwarded, and nothing arrived")
        _same_request(request, arrived[forwarded])
        if outcome.request_bytes != len(request.body):
            raise Find(f"logged {outcome.request_bytes} body bytes of {len(request.body)}")
        forwarded += 1
    if forwarded != len(arrived):
        raise Find(f"arrived without being logged: {arrived[forwarded:]}")
    refused = bool(outcomes) and bool(outcomes[-1].error or outcomes[-1].origin == "")
    if not refused and (len(outcomes) != len(meant) or trouble) and case.ending == "half-close":
        raise Find(f"{len(outcomes)} served of {len(meant)}, and no refusal; strict: {trouble}")
    # What could not be read has no method in the log; the answer to a HEAD among it has no body.
    answers = _answers(
        client, [outcome.method or (b"GET" if outcome.response_bytes else b"HEAD") for outcome in outcomes]
    )
    statuses = [answer.status for answer in answers]
    if statuses != [outcome.status for outcome in outcomes] and not (client.broken and not refused):
        raise Find(f"the client read {statuses}, the log says {outcomes}")
    must_close = refused and (len(outcomes) > len(meant) or outcomes[-1].status not in (200, 508))
    if must_close and not client.broken and b"close" not in strict.words(answers[-1].fields, b"connection"):
        raise Find("a refusal without close")


def _answers(client: Heard, methods: list[bytes]) -> list[Response]:
    data, at = bytes(client.received), 0
    answers: list[Response] = []
    while at < len(data):
        method = methods[len(answers)] if len(answers) < len(methods) else b"GET"
        answer, at = strict.response(data, at, method, ended=not client.broken, exact=True)
        if answer.status >= 200:
            answers.append(answer)
    return answers


def _same_request(meant: Request, arrived: Request) -> None:
    origin_form = re.sub(rb"^(?i:https?)://[^/?#]*", b"", meant.target)
    if origin_form[:1] in (b"", b"?") and meant.target != origin_form:
        origin_form = b"*" if meant.method == b"OPTIONS" and not origin_form else b"/" + origin_form
    if (meant.method, origin_form, meant.body) != (arrived.method, arrived.target, arrived.body):
        raise Find(f"meant {meant}, arrived {arrived}")
    sent = _end_to_end(meant.fields, meant.fields, _STATED_UPSTREAM, request=True)
    came = _end_to_end(arrived.fields, arrived.fields, _STATED_UPSTREAM, request=True)
    if sent != came:
        raise Find(f"end-to-end fields {sent} became {came}")
    options = strict.words(arrived.fields, b"connection")
    allowed = {b"upgrade": [b"websocket"], b"te": [b"trailers"]}
    for name in _HOP_BY_HOP - {b"connection", b"transfer-encoding", b"trailer"}:
        if strict.values(arrived.fields, name) != (allowed.get(name, []) if name in options else []):
            raise Find(f"{name!r} does not end here: {arrived.fields}")
    if set(options) - set(allowed) or len(set(options)) != len(options):
        raise Find(f"Connection says {options}")
    passed = _end_to_end(meant.trailers, meant.fields, _STATED_UPSTREAM, request=True)
    if any(line not in passed for line in arrived.trailers):
        raise Find(f"trailers {meant.trailers} became {arrived.trailers}")
    if (b"x-t", b"1") in passed and (b"x-t", b"1") not in arrived.trailers:
        raise Find("a trailer is lost")


def judge_upstream(case: Case, client: Heard, outcomes: list[ExchangeRecord]) -> None:
    """Law B. Raises Find, Violation, Incomplete."""
    if len(outcomes) != 1 or not outcomes[0].status or outcomes[0].error in ("internal", "client_gone", "cancelled"):
        raise Find(f"an upstream's bytes ended in {outcomes}")
    outcome = outcomes[0]
    asked, _ = strict.request(case.request)
    interims, meant, behind, trouble = _all_responses(case, asked.method)
    data = bytes(client.received)
    at = 0
    try:
        got, at = strict.response(data, at, asked.method, ended=not client.broken, exact=True)
        for _ in interims:
            if got.status >= 200 or got.status == 101:
                break
            got, at = strict.response(data, at, asked.method, ended=not client.broken, exact=True)
    except Incomplete:
        if outcome.error:
            return  # visibly cut
        raise
    if outcome.error:
        if outcome.status not in (502, 504) or not any(
            b"onehop-test" in value for value in strict.values(got.fields, b"proxy-status")
        ):
            raise Find(f"{outcome}, and the client reads a whole {got}")
        if at != len(data):
            raise Find(f"behind an error: {data[at:]!r}")
        return
    if meant is None:
        raise Find(f"the client reads {got}, where the strict reader finds: {trouble}")
    if (got.status, got.body) != (meant.status, meant.body):
        raise Find(f"meant {meant}, got {got}")
    if meant.status == 101:
        if not behind.startswith(data[at:]) or (case.ending == "close" and data[at:] != behind):
            raise Find(f"through the tunnel came {data[at:]!r}")
    elif at != len(data):
        raise Find(f"behind the response: {data[at:]!r}")
    sent = _end_to_end(meant.fields, meant.fields, _STATED_DOWNSTREAM, request=False)
    came = _end_to_end(got.fields, got.fields, _STATED_DOWNSTREAM, request=False)
    if sent != came:
        raise Find(f"end-to-end fields {sent} became {came}")
    options = strict.words(got.fields, b"connection")
    expected = [b"upgrade"] if got.status == 101 else [b"close"] if asked.version == b"1.0" or got.until_close else []
    if (options or expected) not in (expected, [b"close"]):
        raise Find(f"Connection says {options}, not {expected}")
    for name in _HOP_BY_HOP - {b"connection", b"transfer-encoding", b"trailer", b"upgrade"}:
        if strict.values(got.fields, name):
            raise Find(f"{name!r} does not end here: {got.fields}")
    if asked.version == b"1.0" and strict.values(got.fields, b"transfer-encoding"):
        raise Find("chunks for a 1.0 client")
    passed = _end_to_end(meant.trailers, meant.fields, _STATED_DOWNSTREAM, request=False)
    if any(line not in passed for line in got.trailers) or (got.trailers and b"te" not in dict(asked.fields)):
        raise Find(f"trailers {meant.trailers} became {got.trailers}")


def _all_responses(case: Case, method: bytes) -> tuple[list[Response], Response | None, bytes, str]:
    """The interim responses in an upstream's bytes, the final one, what is behind it, or what goes wrong instead."""
    interims: list[Response] = []
    at = 0
    try:
        while True:
            ended = case.ending in ("close", "half-close")
            response, at = strict.response(case.data, at, method, ended=ended)
            if response.status >= 200 or response.status == 101:
                return interims, response, case.data[at:], ""
            interims.append(response)
    except (Violation, Incomplete) as exc:
        return interims, None, b"", f"{type(exc).__name__} {exc}"
