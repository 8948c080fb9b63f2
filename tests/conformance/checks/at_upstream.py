"""What has reached the upstream."""

from collections.abc import Callable

from tests.conformance.checks import fields
from tests.conformance.checks.check import Forbids, NotAdded, Sender
from tests.conformance.play import Record
from tests.conformance.steps import Check
from tests.harness.wire import Message


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


def _of_request(at: int, test: Callable[[Message], str | None]) -> Check:
    def check(record: Record) -> str | None:
        message = _request(record, at)
        return "no request at the upstream" if message is None else test(message)

    return check


def sent(name: str, *values: str, at: int = 0) -> Check:
    """The request has exactly these lines of that name, in this order."""
    return _of_request(at, lambda m: fields.same(f"sent {name}", m.values(name), list(values)))


def sent_lacks(*names: str, at: int = 0) -> Check:
    """The request has none of these fields."""
    return Forbids(_of_request(at, lambda m: fields.lacks(m, names, "reached the upstream")), Sender.CLIENT, names)


def sent_not_added(*names: str, at: int = 0) -> Check:
    """The request has none of these fields, which the client has not sent and a proxy might make up."""
    return NotAdded(_of_request(at, lambda m: fields.lacks(m, names, "was made up")), Sender.CLIENT, names)


def sent_like(name: str, pattern: str, at: int = 0) -> Check:
    """The request has one line of that name, and its value matches."""
    return _of_request(at, lambda m: fields.is_like(m, name, pattern))


def sent_no_empty(name: str, at: int = 0) -> Check:
    """No line of that name is empty."""
    return _of_request(at, lambda m: f"sent an empty {name}" if "" in m.values(name) else None)


def sent_start(start: str, at: int = 0) -> Check:
    """The request line."""
    return _of_request(at, lambda m: fields.same("request line", m.start, start))


def sent_first(name: str, member: str, at: int = 0) -> Check:
    """The first member of a list-based field."""
    return _of_request(
        at, lambda m: fields.same(f"first {name}", ",".join(m.values(name)).split(",")[0].strip(), member)
    )


def sent_without_extensions(at: int = 0) -> Check:
    """No chunk of the request has an extension."""
    return Forbids(
        _of_request(at, lambda m: "chunk extensions went on" if m.extensions else None), Sender.CLIENT, texts=(";",)
    )


def sent_body(data: bytes, at: int = 0) -> Check:
    """The request's body, whole."""
    return _of_request(at, lambda m: fields.has_body(m, data, "request"))


def sent_trailers(*names: str, at: int = 0) -> Check:
    """The names of the request's trailers, lower case, in order."""
    return _of_request(at, lambda m: fields.same("request trailers", fields.names(m.trailers), list(names)))


def sent_trailers_lack(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the request."""
    return Forbids(_of_request(at, lambda m: fields.trailers_lack(m, names, "request")), Sender.CLIENT, names)


def sent_no_trailer(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the request, and none has become one of its header fields."""
    return Forbids(_of_request(at, lambda m: fields.no_trailer(m, names, "request")), Sender.CLIENT, names)


def sent_options(*allowed: str, at: int = 0) -> Check:
    """`Connection` says nothing beyond these options (besides close and keep-alive, which are the hop's own)."""
    return _of_request(at, lambda m: fields.options(m, allowed))


def sent_no_line(name: str, value: str) -> Check:
    """No field line and no trailer of that name that holds this value has reached the upstream."""
    return Forbids(
        lambda record: fields.no_line(record.requests, name, value, "reached the upstream"),
        Sender.CLIENT, (name,), (value,),
    )  # fmt: skip


def sent_nowhere(text: str) -> Check:
    """The text is in no head, no body and no trailer that has reached the upstream."""

    def check(record: Record) -> str | None:
        for message in record.requests:
            if text.lower() in message.text.lower():
                return f"{text!r} reached the upstream: {message.text[:300]!r}"
        return None

    return Forbids(check, Sender.CLIENT, texts=(text,))


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
