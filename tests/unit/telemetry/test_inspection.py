"""What the inspector is told of an exchange: decisions as they were made, no secret, and no more than a person can see."""

import msgspec
import pytest

from proxy.http1.fields import Fields
from proxy.http1.message import RequestHead
from proxy.policy.decisions import Decisions, Outcome, Rule
from proxy.telemetry.inspection import MARK, MOST_FAILED_PER_SECOND, MOST_PER_SECOND, Inspection, Shown, exchange
from proxy.telemetry.record import ExchangeRecord
from proxy.telemetry.seen import Message, Seen
from tests.harness.notation import request, response
from tests.harness.values import exchange_record

_NOMINATED = Rule(Outcome.NOMINATED, "nominated by `Connection`")
_KEPT = Rule(Outcome.KEPT, "end to end")


def seen_request(head: RequestHead) -> Seen:
    seen, decisions = Seen(), Decisions()
    kept = [line for line in head.fields if line[0] not in (b"Connection", b"X-Hop")]
    decisions.decide_all(kept, _KEPT)
    decisions.decide_all([line for line in head.fields if line[0] == b"X-Hop"], _NOMINATED)
    seen.request(head, b"/a", kept, decisions)
    return seen


def record_of(text: str) -> ExchangeRecord:
    head = request(text)
    return exchange_record(
        "192.0.2.1", 100.0, "id1", head.method, head.target, head.http_version, head.fields, head, route="r",
        origin="10.0.0.1:80", status=200, responded=100.25, ended=100.5, seen=seen_request(head),
    )  # fmt: skip


def test_each_line_is_shown_with_what_was_decided_and_why() -> None:
    shown = exchange(record_of("GET /a HTTP/1.1|Host: h|Connection: X-Hop|X-Hop: 1"), 1_000_000.0)
    [message] = shown.messages
    assert (message.kind, message.received, message.sent) == ("request", "GET /a HTTP/1.1", "GET /a HTTP/1.1")
    assert [(line.name, line.value, line.verdict, line.outcome, line.rule) for line in message.lines] == [
        ("Host", "h", "kept", "kept", "end to end"),
        ("X-Hop", "1", "stripped", "nominated", "nominated by `Connection`"),
    ]
    assert message.sent_lines == [("Host", "h")]
    assert (shown.at, shown.responded_ms, shown.ended_ms, shown.route, shown.host) == (1_000_100, 250, 500, "r", "h")


SECRETS = [
    "GET //u:hunter2@h/ HTTP/1.1|Host: h|Cookie: hunter2|Authorization: hunter2",
    "GET /a?access_token=hunter2&b=1 HTTP/1.1|Host: h|Connection: X-Session-Id|X-Session-Id: hunter2",
    "GET http://u:hunter2@h/ HTTP/1.1|Host: u:hunter2@h|Proxy-Authorization: hunter2",
    "GET /a HTTP/1.1|Host: h|Referer: https://h/reset?token=hunter2|X-Api-Key: hunter2|X_Api_Key: hunter2",
    "GET /a HTTP/1.1|Host: h|Referer: https://u:hunter2@h/|X-Auth-User: hunter2",
]


@pytest.mark.parametrize("asked", SECRETS)
@pytest.mark.parametrize("kind", ["interim", "response", "request trailers", "response trailers"])
def test_no_secret_leaves_the_worker(asked: str, kind: str) -> None:
    record = record_of(asked)
    assert record.seen is not None
    decisions = Decisions()
    lines: Fields = [
        (b"Set-Cookie", b"a=hunter2"),
        (b"X-Token", b"hunter2"),
        (b"Location", b"/?x-amz-signature=hunter2"),
    ]
    decisions.decide_all(lines, _KEPT)
    record.seen.messages.append(Message(kind, b"", b"", lines, decisions))
    told: list[bytes] = []
    for _ in range(2):  # the second time, lines are known
        Inspection(told.append).tell(record)
    assert len(told) == 2
    assert b"hunter2" not in b"".join(told)
    assert b"***" in told[0] and b"Set-Cookie" in told[0]


def test_words_for_the_operator_are_shown_as_they_are() -> None:
    record = record_of("GET /a HTTP/1.1|Host: h")
    record.detail = "größer als erlaubt: \udcff"
    assert exchange(record, 0.0).detail == "größer als erlaubt: ?"


def test_attempts_are_told_in_order_with_their_results() -> None:
    record = record_of("GET /a HTTP/1.1|Host: h")
    record.note_retry("connect_failed", "connect_failure")
    record.origin, record.response = "10.0.0.2:80", response("HTTP/1.1 200 OK")
    attempts = exchange(record, 0.0).attempts
    assert [(attempt.origin, attempt.result) for attempt in attempts] == [
        ("10.0.0.1:80", "connect_failed"),
        ("10.0.0.2:80", "200"),
    ]


def test_long_texts_and_many_messages_are_cut() -> None:
    record = record_of("GET /a HTTP/1.1|Host: h|X-Long: " + "x" * 5000)
    assert record.seen is not None
    early = response("HTTP/1.1 103 Early Hints")
    for _ in range(100):
        record.seen.response(early, [], Decisions())
    final = response("HTTP/1.1 404 Not Found")
    record.seen.response(final, [], Decisions())
    shown = exchange(record, 0.0)
    assert len(shown.messages[0].lines[1].value) < 500
    assert (shown.messages[0].kind, shown.messages[-1].sent) == ("request", "HTTP/1.1 404 Not Found")
    assert len(shown.messages) <= 12


def test_what_nobody_can_look_at_in_a_second_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bytes] = []
    inspection, record = Inspection(told.append), record_of("GET /a HTTP/1.1|Host: h")
    for _ in range(MOST_PER_SECOND + 7):
        inspection.tell(record)
    assert len(told) == MOST_PER_SECOND
    record.ended += 1
    inspection.tell(record)
    assert told[-1].startswith(MARK)
    assert msgspec.json.decode(told[-1][1:], type=Shown).skipped == 7


def test_what_began_beyond_the_bound_is_not_recorded_and_shown_only_where_it_failed() -> None:
    told: list[bytes] = []
    inspection = Inspection(told.append)
    looked = [inspection.look(100.5) for _ in range(MOST_PER_SECOND + 9)]
    assert sum(seen is not None for seen in looked) == MOST_PER_SECOND
    assert inspection.look(101.0) is not None
    record = record_of("GET /a HTTP/1.1|Host: h")
    record.seen = None
    inspection.tell(record)
    assert told == []
    record.error, record.detail = "upstream_closed", "10.0.0.1:80 closed the connection before a response"
    for _ in range(MOST_FAILED_PER_SECOND + 3):
        inspection.tell(record)
    assert len(told) == MOST_FAILED_PER_SECOND
    first = msgspec.json.decode(told[0][1:], type=Shown)
    assert (first.error, first.messages, first.skipped) == ("upstream_closed", [], 1)


def test_the_health_check_of_this_machine_is_not_shown() -> None:
    told: list[bytes] = []
    record = record_of("GET /a HTTP/1.1|Host: h")
    record.is_health_check = True
    Inspection(told.append).tell(record)
    assert told == []
