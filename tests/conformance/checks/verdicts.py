"""Whole outcomes: refused, switched, smuggled."""

from tests.conformance.checks import fields
from tests.conformance.checks.at_client import closed
from tests.conformance.checks.check import Forbids, Sender, every
from tests.conformance.play import Record
from tests.conformance.steps import Check


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
        if record.surplus:
            return f"more behind the answer: {record.surplus[:80]!r}"
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

    return Forbids(check, Sender.CLIENT, texts=("/smuggled",))


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
    return lambda record: fields.same("tunnelled", record.tunnelled, data)


def tunnelled_back(data: bytes) -> Check:
    """What came to the client behind the 101."""
    return lambda record: fields.same("tunnelled back", record.tunnelled_back, data)


def echoed(data: bytes) -> Check:
    """What went through the tunnel, and came back."""
    return every(tunnelled(data), tunnelled_back(data))


def answered_once() -> Check:
    """Exactly one response, and then the end."""

    def check(record: Record) -> str | None:
        if len(record.responses) != 1:
            return f"{len(record.responses)} responses"
        if record.surplus:
            return f"more behind the answer: {record.surplus[:80]!r}"
        return closed()(record)

    return check
