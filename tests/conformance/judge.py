"""Checks over what a case recorded. Each returns None where it holds, else what is wrong, in a line."""

import re

from tests.conformance.play import Record
from tests.conformance.steps import Case, Check
from tests.conformance.wire import Message


def judge(case: Case, record: Record, *, promised: bool) -> list[str]:
    """What is wrong with a record. `promised` also asks for what onehop says beyond the RFCs."""
    faults = [f"the upstream received {fault}" for fault in record.upstream_faults] + record.client_faults
    for check in (*case.expect, *(case.promise if promised else ())):
        fault = check(record)
        if fault is not None:
            faults.append(fault)
    return faults


# -- at the upstream -----------------------------------------------------------------------------------------------


def _request(record: Record, at: int) -> Message | None:
    return record.requests[at] if -len(record.requests) <= at < len(record.requests) else None


def requests(count: int) -> Check:
    """So many requests have reached the upstream, no more and no fewer."""

    def check(record: Record) -> str | None:
        seen = [message.start for message in record.requests]
        return None if len(seen) == count else f"{len(seen)} requests at the upstream, not {count}: {seen}"

    return check


def at_most(count: int) -> Check:
    """No more than so many requests have reached the upstream."""
    return lambda record: (
        f"sent again: {[message.start for message in record.requests]}" if len(record.requests) > count else None
    )


def only_requests(*starts: str) -> Check:
    """No request line has reached the upstream but these."""

    def check(record: Record) -> str | None:
        strays = [message.start for message in record.requests if message.start not in starts]
        return f"stray requests at the upstream: {strays}" if strays else None

    return check


def _of_request(at: int, test: "Check | object") -> Check:
    def check(record: Record) -> str | None:
        message = _request(record, at)
        return "no request at the upstream" if message is None else test(message)  # type: ignore[operator]

    return check


def sent(name: str, *values: str, at: int = 0) -> Check:
    """The request has exactly these lines of that name, in this order."""
    return _of_request(at, lambda m: _same(f"sent {name}", m.values(name), list(values)))


def sent_lacks(*names: str, at: int = 0) -> Check:
    """The request has none of these fields."""
    return _of_request(at, lambda m: _none(m, names, "reached the upstream"))


def sent_like(name: str, pattern: str, at: int = 0) -> Check:
    """The request has one line of that name, and its value matches."""
    return _of_request(at, lambda m: _like(m, name, pattern))


def sent_no_empty(name: str, at: int = 0) -> Check:
    """No line of that name is empty."""
    return _of_request(at, lambda m: f"sent an empty {name}" if "" in m.values(name) else None)


def sent_start(start: str, at: int = 0) -> Check:
    """The request line."""
    return _of_request(at, lambda m: _same("request line", m.start, start))


def sent_first(name: str, member: str, at: int = 0) -> Check:
    """The first member of a list-based field."""
    return _of_request(at, lambda m: _same(f"first {name}", ",".join(m.values(name)).split(",")[0].strip(), member))


def sent_without_extensions(at: int = 0) -> Check:
    """No chunk of the request has an extension."""
    return _of_request(at, lambda m: "chunk extensions went on" if m.extensions else None)


def sent_body(data: bytes, at: int = 0) -> Check:
    """The request's body, whole."""
    return _of_request(at, lambda m: _body(m, data, "request"))


def sent_trailers(*names: str, at: int = 0) -> Check:
    """The names of the request's trailers, lower case, in order."""
    return _of_request(at, lambda m: _same("request trailers", _names(m.trailers), list(names)))


def sent_trailers_lack(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the request."""
    return _of_request(at, lambda m: _trailers_lack(m, names, "request"))


def sent_no_trailer(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the request, and none has become one of its header fields."""
    return _of_request(at, lambda m: _no_trailer(m, names, "request"))


def sent_options(*allowed: str, at: int = 0) -> Check:
    """`Connection` says nothing beyond these options (besides close and keep-alive, which are the hop's own)."""
    return _of_request(at, lambda m: _options(m, allowed))


def sent_nowhere(text: str) -> Check:
    """The text is in no head, no body and no trailer that has reached the upstream."""

    def check(record: Record) -> str | None:
        for message in record.requests:
            whole = repr((message.start, message.fields, message.body, message.trailers))
            if text.lower() in whole.lower():
                return f"{text!r} reached the upstream: {whole[:300]}"
        return None

    return check


def reused(first: int = 0, second: int = 1) -> Check:
    """Two requests came on one connection."""

    def check(record: Record) -> str | None:
        a, b = _request(record, first), _request(record, second)
        return None if a and b and a.connection == b.connection else "the upstream connection was not used again"

    return check


def fresh(first: int = 0, second: int = 1) -> Check:
    """Two requests came on two connections."""

    def check(record: Record) -> str | None:
        a, b = _request(record, first), _request(record, second)
        return None if a and b and a.connection != b.connection else "the upstream connection was used again"

    return check


# -- at the client -------------------------------------------------------------------------------------------------


def _of_response(at: int, test: object) -> Check:
    def check(record: Record) -> str | None:
        if not -len(record.responses) <= at < len(record.responses):
            return "no response"
        return test(record.responses[at])  # type: ignore[operator, no-any-return]

    return check


def status(*allowed: int, at: int = 0) -> Check:
    """The final status is one of these."""
    return _of_response(at, lambda m: None if m.status in allowed else f"status {m.status}, not {allowed}")


def statuses(*expected: int) -> Check:
    """The final statuses of all responses, in order."""
    return lambda record: _same("statuses", [m.status for m in record.responses], list(expected))


def got(name: str, *values: str, at: int = 0) -> Check:
    """The response has exactly these lines of that name, in this order."""
    return _of_response(at, lambda m: _same(f"got {name}", m.values(name), list(values)))


def got_lacks(*names: str, at: int = 0) -> Check:
    """The response has none of these fields."""
    return _of_response(at, lambda m: _none(m, names, "reached the client"))


def got_like(name: str, pattern: str, at: int = 0) -> Check:
    """The response has one line of that name, and its value matches."""
    return _of_response(at, lambda m: _like(m, name, pattern))


def got_body(data: bytes, at: int = 0) -> Check:
    """The response's body, whole."""
    return _of_response(at, lambda m: _body(m, data, "response"))


def got_body_like(start: bytes, at: int = 0) -> Check:
    """The response's body begins like this."""
    return _of_response(
        at, lambda m: None if m.body.startswith(start) else f"body {m.body[:80]!r}, not {start!r} first"
    )


def got_whole(at: int = 0) -> Check:
    """The response is complete."""
    return _of_response(at, lambda m: None if m.complete else "the response was cut")


def got_without_extensions(at: int = 0) -> Check:
    """No chunk of the response has an extension."""
    return _of_response(at, lambda m: "chunk extensions went on" if m.extensions else None)


def got_framing(*allowed: str, at: int = 0) -> Check:
    """How the response was delimited: none, length, chunked, close."""
    return _of_response(at, lambda m: None if m.framing in allowed else f"delimited by {m.framing}, not {allowed}")


def got_trailers(*names: str, at: int = 0) -> Check:
    """The names of the response's trailers, lower case, in order."""
    return _of_response(at, lambda m: _same("response trailers", _names(m.trailers), list(names)))


def got_trailers_lack(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the response."""
    return _of_response(at, lambda m: _trailers_lack(m, names, "response"))


def got_no_trailer(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the response, and none has become one of its header fields."""
    return _of_response(at, lambda m: _no_trailer(m, names, "response"))


def got_options(*allowed: str, at: int = 0) -> Check:
    """`Connection` says nothing beyond these options (besides close and keep-alive, which are the hop's own)."""
    return _of_response(at, lambda m: _options(m, allowed))


def interims(*expected: int) -> Check:
    """The statuses of the interim responses, in order."""
    return lambda record: _same("interim responses", [m.status for m in record.interims], list(expected))


def invited() -> Check:
    """The client was told to send its body, and saw no other interim response."""
    return lambda record: (
        None if {m.status for m in record.interims} == {100} else f"interims {[m.status for m in record.interims]}"
    )


def interim(name: str, *values: str, at: int = 0) -> Check:
    """An interim response has exactly these lines of that name."""
    return lambda record: (
        _same(f"interim {name}", record.interims[at].values(name), list(values))
        if -len(record.interims) <= at < len(record.interims)
        else "no interim response"
    )


def interim_lacks(*names: str) -> Check:
    """No interim response has any of these fields."""

    def check(record: Record) -> str | None:
        return next((fault for m in record.interims if (fault := _none(m, names, "reached the client in a 1xx"))), None)

    return check


def closed(at: int = 0) -> Check:
    """The proxy has ended the client's connection."""
    return lambda record: (
        None if record.ends.get(at) in ("closed", "reset") else f"the client's connection is {record.ends.get(at)}"
    )


def stays_open(at: int = 0) -> Check:
    """The client's connection has not ended."""
    return lambda record: None if record.ends.get(at) == "open" else f"the client's connection is {record.ends.get(at)}"


def says_close(at: int = 0) -> Check:
    """The response announces that its connection closes."""
    return _of_response(at, lambda m: None if "close" in m.options() else "the response does not say close")


def cut(at: int = 0) -> Check:
    """The response is visibly incomplete: a client cannot take it for a whole one. An error status is as good."""

    def check(record: Record) -> str | None:
        if not -len(record.responses) <= at < len(record.responses):
            return None if record.ends.get(0) in ("closed", "reset") else "no response, and no end"
        message = record.responses[at]
        if message.status >= 500 or not message.complete:
            return None
        return f"a body that was cut arrives as a whole one, delimited by {message.framing}"

    return check


def no_surplus() -> Check:
    """Nothing came where silence was due."""
    return lambda record: f"surplus bytes at the client: {record.surplus[:120]!r}" if record.surplus else None


def nowhere(text: str) -> Check:
    """The text is in nothing that the client received."""

    def check(record: Record) -> str | None:
        for m in (*record.responses, *record.interims):
            if text.lower() in repr((m.start, m.fields, m.body, m.trailers)).lower():
                return f"{text!r} reached the client"
        return f"{text!r} reached the client" if text.encode() in record.surplus + record.tunnelled_back else None

    return check


# -- whole verdicts ------------------------------------------------------------------------------------------------


def refused(*statuses_: int) -> Check:
    """Nothing has reached the upstream; the client was answered one of these (any error, if none is named), or only
    the end, and the connection is closed where another request could be read out of the same bytes."""

    def check(record: Record) -> str | None:
        if record.requests or record.upstream_faults:
            starts = [message.start for message in record.requests]
            return f"reached the upstream: {starts or record.upstream_faults}"
        answered = [m.status for m in record.responses]
        if len(answered) > 1:
            return f"answered more than once: {answered}"
        if answered and not (answered[0] in statuses_ if statuses_ else answered[0] >= 400):
            return f"answered {answered[0]}, not {statuses_ or 'an error'}"
        if not answered and record.ends.get(0) not in ("closed", "reset"):
            return "neither answered nor closed"
        return None

    return check


def not_smuggled() -> Check:
    """No request for /smuggled has reached the upstream, and none was answered."""

    def check(record: Record) -> str | None:
        found = [message.start for message in record.requests if "/smuggled" in message.start]
        return f"a request was read out of a body: {found}" if found else None

    return check


def never_whole() -> Check:
    """A request that broke off at a fault may have begun to go up, but the upstream never saw it end, nor the client
    a success."""

    def check(record: Record) -> str | None:
        whole = [message.start for message in record.requests if message.complete]
        if whole:
            return f"whole requests at the upstream: {whole}"
        if any(message.status < 400 for message in record.responses):
            return f"answered {record.responses[0].status}"
        if not record.responses and record.ends.get(0) not in ("closed", "reset"):
            return "neither answered nor closed"
        return None

    return check


def not_switched() -> Check:
    """The client got no 101, and no byte was tunnelled."""

    def check(record: Record) -> str | None:
        if any(message.status == 101 for message in record.responses):
            return "a 101 reached the client"
        return f"tunnelled {record.tunnelled!r}" if record.tunnelled else None

    return check


def tunnelled(data: bytes) -> Check:
    """What came to the upstream behind the 101."""
    return lambda record: _same("tunnelled", record.tunnelled, data)


def tunnelled_back(data: bytes) -> Check:
    """What came to the client behind the 101."""
    return lambda record: _same("tunnelled back", record.tunnelled_back, data)


def echoed(data: bytes) -> Check:
    """What went through the tunnel, and came back."""
    return every(tunnelled(data), tunnelled_back(data))


def answered_once() -> Check:
    """Exactly one response, and then the end."""

    def check(record: Record) -> str | None:
        if len(record.responses) != 1:
            return f"{len(record.responses)} responses"
        return closed()(record)

    return check


def either(*checks: Check) -> Check:
    """One of them holds."""

    def check(record: Record) -> str | None:
        faults = [check(record) for check in checks]
        return None if None in faults else " / ".join(fault for fault in faults if fault)

    return check


def every(*checks: Check) -> Check:
    """All of them hold."""

    def check(record: Record) -> str | None:
        return next((fault for check in checks if (fault := check(record))), None)

    return check


# -- what they share -----------------------------------------------------------------------------------------------


def _names(lines: list[tuple[str, str]]) -> list[str]:
    return [name.lower() for name, _ in lines]


def _same(what: str, found: object, expected: object) -> str | None:
    return None if found == expected else f"{what}: {found!r}, not {expected!r}"


def _none(message: Message, names: tuple[str, ...], where: str) -> str | None:
    found = [name for name in names if message.values(name)]
    return f"{', '.join(found)} {where}" if found else None


def _like(message: Message, name: str, pattern: str) -> str | None:
    values = message.values(name)
    return None if len(values) == 1 and re.fullmatch(pattern, values[0]) else f"{name}: {values}, not like {pattern}"


def _body(message: Message, data: bytes, what: str) -> str | None:
    if not message.complete:
        return f"the {what} was cut"
    return None if message.body == data else f"{what} body {message.body[:60]!r}, not {data[:60]!r}"


def _trailers_lack(message: Message, names: tuple[str, ...], what: str) -> str | None:
    found = [name for name in names if name.lower() in _names(message.trailers)]
    return f"trailer {', '.join(found)} of the {what} went on" if found else None


def _no_trailer(message: Message, names: tuple[str, ...], what: str) -> str | None:
    found = [name for name in names if name.lower() in _names(message.trailers) or message.values(name)]
    return f"trailer {', '.join(found)} of the {what} went on" if found else None


def _options(message: Message, allowed: tuple[str, ...]) -> str | None:
    surplus = message.options() - {"close", "keep-alive"} - {option.lower() for option in allowed}
    return f"Connection nominates {sorted(surplus)}" if surplus else None
