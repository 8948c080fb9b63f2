"""Spans of an exchange, as values. What a collector gets is in integration/test_spans.py."""

from proxy.telemetry.spans import Described, spans
from proxy.telemetry.trace import Trace
from tests.harness.values import exchange_record


def test_each_attempt_has_the_scheme_of_its_own_origin() -> None:
    trace = Trace("0" * 31 + "1", "", "0" * 15 + "1", 1, "0" * 15 + "2", "0" * 15 + "2")
    record = exchange_record("192.0.2.1", 1.0, "id", b"GET", b"/", service="app", trace=trace)
    trace.begin_attempts(b"/")
    record.origin, record.attempts = "plain:80", 1
    record.note_retry("connect_failed", "connect_failure")
    record.origin, record.attempts, record.status, record.ended = "secured:443", 2, 200, 2.0
    described = Described(secured=frozenset({("app", "secured:443")}))
    _, first, second = spans(record, trace, described)
    assert first.attributes["url.full"] == "http://plain:80/"
    assert second.attributes["url.full"] == "https://secured:443/"
