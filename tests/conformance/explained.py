"""What `onehop explain` says of the requests that a case's client sends, beside what the upstream was sent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.cli.explain import Setup, explain_request
from proxy.errors import ProtocolError, ProxyError
from proxy.http1.framing import request_framing
from proxy.http1.masking import shown_value
from proxy.http1.parsing.body import EMPTY_BODY
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.persistence import persists
from tests.conformance.play import Record
from tests.conformance.steps import Case, Learn, NewConnection, sent_by, w
from tests.harness.wire import Message


@dataclass
class Explained:
    """A request of the client's, as explained."""

    sent: str  # the head that goes on; empty where none does
    certain: bool  # its body is well-formed and whole: nothing but the peers' own doings keeps it from going on


def differences(case: Case, record: Record, setup: Setup) -> list[str]:
    """Where the heads that the upstream was sent are not those that are explained, in order."""
    switched = any(message.status == 101 for message in record.responses)
    explained = [
        request for data in _client_sends(case, record) for request in _explained(data, setup, switched=switched)
    ]
    expected = [request for request in explained if request.sent]
    # What a client sends of its next request depends on the answers: a connection may end before.
    found: list[str] = []
    at = 0
    last = ""
    for message in record.requests:
        sent = _comparable(_head_of(message))
        while at < len(expected) and not expected[at].certain and _comparable(expected[at].sent) != sent:
            at += 1
        if at < len(expected) and _comparable(expected[at].sent) == sent:
            at += 1
        elif sent != last:  # else it was sent again, on a fresh connection
            found.append(f"sent, and not explained: {sent!r}")
        last = sent
    if expected and expected[0].certain and not record.requests:
        found.append(f"explained, and not sent: {expected[0].sent!r}")
    return found


def _client_sends(case: Case, record: Record) -> list[bytes]:
    """All bytes of the client, connection by connection, what it learnt included."""
    connections = [b""]
    for step in case.steps:
        if isinstance(step, NewConnection):
            connections.append(b"")
        connections[-1] += w(step.make(record)) if isinstance(step, Learn) else sent_by(step)
    return connections


def _explained(data: bytes, setup: Setup, *, switched: bool) -> Iterator[Explained]:
    """Each request of a connection, until one is refused or the connection becomes something else."""
    parser = HeadParser(setup.limits, fast_path=setup.fast_path)
    parser.receive(data)
    while parser.unread:
        raw = bytes(parser.unread)
        try:
            head = parser.request_head()
            if head is None:
                return
            explanation = explain_request(raw, setup)
        except (ProtocolError, ProxyError):
            return
        body = parser.body(request_framing(head))
        try:
            parser.body_bytes(body)
        except (ProtocolError, ProxyError):
            yield Explained(explanation.sent, certain=False)
            return
        yield Explained(explanation.sent, certain=body.complete)
        if not explanation.sent and body is not EMPTY_BODY:
            return  # answered here, before the body was read: then the connection closes
        if not body.complete or not persists(head.http_version, head.options):
            return
        if switched and "\nUpgrade: " in explanation.sent:
            return  # what follows is the tunnel's


def _head_of(message: Message) -> str:
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in message.fields]
    return "\n".join([message.start, *(f"{line[0].decode('latin-1')}: {shown_value(line)}" for line in lines)])


def _comparable(head: str) -> str:
    """A head without what differs from request to request, and the upstream's own port."""
    head = re.sub(r"(?m)^Host: 127\.0\.0\.1(?::\d+)?$", "Host: 127.0.0.1", head)
    return re.sub(r"(?m)^(X-Request-Id: )(?:a-new-id|[0-9a-f]{12}-[0-9a-f]+)$", r"\1...", head)
