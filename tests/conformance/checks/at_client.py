"""What has reached the client."""

from collections.abc import Callable

from tests.conformance.checks import fields
from tests.conformance.checks.check import Forbids, NotAdded, Sender
from tests.conformance.play import Record
from tests.conformance.steps import Check
from tests.harness.wire import Message


def _of_response(at: int, test: Callable[[Message], str | None]) -> Check:
    def check(record: Record) -> str | None:
        if not -len(record.responses) <= at < len(record.responses):
            return "no response"
        return test(record.responses[at])

    return check


def status(*allowed: int, at: int = 0) -> Check:
    """The final status is one of these."""
    return _of_response(at, lambda m: None if m.status in allowed else f"status {m.status}, not {allowed}")


def statuses(*expected: int) -> Check:
    """The final statuses of all responses, in order."""
    return lambda record: fields.same("statuses", [m.status for m in record.responses], list(expected))


def got(name: str, *values: str, at: int = 0) -> Check:
    """The response has exactly these lines of that name, in this order."""
    return _of_response(at, lambda m: fields.same(f"got {name}", m.values(name), list(values)))


def got_lacks(*names: str, at: int = 0) -> Check:
    """The response has none of these fields."""
    return Forbids(_of_response(at, lambda m: fields.lacks(m, names, "reached the client")), Sender.UPSTREAM, names)


def got_not_added(*names: str, at: int = 0) -> Check:
    """The response has none of these fields, which the upstream has not sent and a proxy might make up."""
    return NotAdded(_of_response(at, lambda m: fields.lacks(m, names, "was made up")), Sender.UPSTREAM, names)


def got_like(name: str, pattern: str, at: int = 0) -> Check:
    """The response has one line of that name, and its value matches."""
    return _of_response(at, lambda m: fields.is_like(m, name, pattern))


def got_body(data: bytes, at: int = 0) -> Check:
    """The response's body, whole."""
    return _of_response(at, lambda m: fields.has_body(m, data, "response"))


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
    return Forbids(
        _of_response(at, lambda m: "chunk extensions went on" if m.extensions else None), Sender.UPSTREAM, texts=(";",)
    )


def got_framing(*allowed: str, at: int = 0) -> Check:
    """How the response was delimited: none, length, chunked, close."""
    return _of_response(at, lambda m: None if m.framing in allowed else f"delimited by {m.framing}, not {allowed}")


def got_trailers(*names: str, at: int = 0) -> Check:
    """The names of the response's trailers, lower case, in order."""
    return _of_response(at, lambda m: fields.same("response trailers", fields.names(m.trailers), list(names)))


def got_trailers_lack(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the response."""
    return Forbids(_of_response(at, lambda m: fields.trailers_lack(m, names, "response")), Sender.UPSTREAM, names)


def got_no_trailer(*names: str, at: int = 0) -> Check:
    """None of these is a trailer of the response, and none has become one of its header fields."""
    return Forbids(_of_response(at, lambda m: fields.no_trailer(m, names, "response")), Sender.UPSTREAM, names)


def got_options(*allowed: str, at: int = 0) -> Check:
    """`Connection` says nothing beyond these options (besides close and keep-alive, which are the hop's own)."""
    return _of_response(at, lambda m: fields.options(m, allowed))


def interims(*expected: int) -> Check:
    """The statuses of the interim responses, in order."""
    return lambda record: fields.same("interim responses", [m.status for m in record.interims], list(expected))


def invited() -> Check:
    """The client was told to send its body, and saw no other interim response."""
    return lambda record: (
        None if {m.status for m in record.interims} == {100} else f"interims {[m.status for m in record.interims]}"
    )


def interim(name: str, *values: str, at: int = 0) -> Check:
    """An interim response has exactly these lines of that name."""
    return lambda record: (
        fields.same(f"interim {name}", record.interims[at].values(name), list(values))
        if -len(record.interims) <= at < len(record.interims)
        else "no interim response"
    )


def interim_not_added(*names: str) -> Check:
    """No interim response has any of these fields, which the upstream has not sent and a proxy might make up."""

    def check(record: Record) -> str | None:
        return next((fault for m in record.interims if (fault := fields.lacks(m, names, "was made up"))), None)

    return NotAdded(check, Sender.UPSTREAM, names)


def interim_lacks(*names: str) -> Check:
    """No interim response has any of these fields."""

    def check(record: Record) -> str | None:
        return next(
            (fault for m in record.interims if (fault := fields.lacks(m, names, "reached the client in a 1xx"))), None
        )

    return Forbids(check, Sender.UPSTREAM, names)


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


def got_no_line(name: str, value: str) -> Check:
    """No field line and no trailer of that name that holds this value has reached the client."""
    return Forbids(
        lambda record: fields.no_line([*record.responses, *record.interims], name, value, "reached the client"),
        Sender.UPSTREAM, (name,), (value,),
    )  # fmt: skip


def nowhere(text: str) -> Check:
    """The text is in nothing that the client received."""

    def check(record: Record) -> str | None:
        for m in (*record.responses, *record.interims):
            if text.lower() in m.text.lower():
                return f"{text!r} reached the client"
        return f"{text!r} reached the client" if text.encode() in record.surplus + record.tunnelled_back else None

    return Forbids(check, Sender.ANY, texts=(text,))
