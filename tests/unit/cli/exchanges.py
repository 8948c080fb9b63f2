"""Exchanges as the inspector tells them."""

import msgspec

from proxy.http1.message import RequestHead
from proxy.policy.decisions import Decisions
from proxy.policy.stripping import END_TO_END, NOMINATED, STATED
from proxy.telemetry.inspection import Shown, exchange
from proxy.telemetry.seen import Seen
from tests.harness.notation import request, response
from tests.harness.values import exchange_record


def shown(
    text: str = "GET /a HTTP/1.1|Host: h|Connection: X-Hop|X-Hop: 1|Cookie: hunter2", *, id: str = "id1", route: str = "r",
    client: str = "192.0.2.1", status: int = 200, error: str = "",
) -> Shown:  # fmt: skip
    """One that was forwarded and answered."""
    head = request(text)
    record = exchange_record(
        client, 100.0, id, head.method, head.target, head.http_version, head.fields, head, route=route,
        origin="10.0.0.1:80", status=status, error=error, responded=100.25, ended=100.5, seen=_seen(head, status),
    )  # fmt: skip
    return exchange(record, 1_000_000.0)


def told(**how: object) -> bytes:
    """The same as a worker tells it."""
    return msgspec.json.encode(shown(**how))  # type: ignore[arg-type]


def _seen(head: RequestHead, status: int) -> Seen:
    seen, decisions = Seen(), Decisions()
    hop = (b"Connection", b"X-Hop")
    kept = [line for line in head.fields if line[0] not in hop]
    decisions.decide_all([line for line in head.fields if line[0] in hop], NOMINATED)
    decisions.decide_all(kept, END_TO_END)
    stated = [(b"Via", b"1.1 onehop")]
    decisions.decide_all(stated, STATED)
    seen.request(head, b"/a", [*kept, *stated], decisions)
    answer, decisions = response(f"HTTP/1.1 {status} Reason|Server: s"), Decisions()
    decisions.decide_all(answer.fields, END_TO_END)
    seen.response(answer, list(answer.fields), decisions)
    return seen
