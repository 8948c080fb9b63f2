"""What a line of the access log says, and that nothing in it can forge another line, or a column."""

import re
from typing import Any

import msgspec
import pytest

from proxy.http1.fields import Fields
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.section import section
from proxy.telemetry.access_lines import ChosenFields, TimeOfDay, json_line, text_line
from proxy.telemetry.json_fields import Line
from proxy.telemetry.record import EarlierAttempt, ExchangeRecord
from tests.harness.values import exchange_record

AT = "2026-11-23T20:00:00.000Z"
NOW = 1000.0123

PLAIN: dict[str, Any] = {
    "client": "192.0.2.1", "started": 1000.0, "ended": NOW, "request_id": "id-1", "method": b"GET", "target": b"/a?b", "http_version": b"1.1",
    "fields": [(b"Host", b"h.example"), (b"X-Other", b"o"), (b"user-agent", b"curl/8")], "route": "default",
    "origin": "127.0.0.1:9000", "reused": True, "attempts": 1, "status": 200, "responded": 1000.01, "response_bytes": 128,
}  # fmt: skip


def changed(**changes: Any) -> ExchangeRecord:
    return exchange_record(**PLAIN | changes)


def decoded(**changes: Any) -> dict[str, Any]:
    return dict(msgspec.json.decode(json_line(changed(**changes), AT)))


EARLIER = [
    EarlierAttempt("a:80", "connect_failed", "connect_failure", False, 1000.001),
    EarlierAttempt("b:81", "503", "503", True, 1000.0035),
]


def test_earlier_attempts_stand_in_the_line() -> None:
    assert decoded(earlier=EARLIER)["earlier"] == [
        {"upstream": "a:80", "result": "connect_failed", "reused": False, "duration_s": 0.001},
        {"upstream": "b:81", "result": "503", "reused": True, "duration_s": 0.0025},
    ]
    assert "earlier" not in decoded()


TEXT = [
    # what differs                                        the line, without time and client
    ({},                                                  '"GET /a?b HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    ({"reused": False, "attempts": 2},                    '"GET /a?b HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 attempts=2 id=id-1'),
    ({"attempts": 3, "earlier": EARLIER},                 '"GET /a?b HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused attempts=3 earlier=a:80:connect_failed,b:81:503 id=id-1'),
    ({"origin": "", "reused": False, "error": "no_route", "detail": "no route"},
                                                          '"GET /a?b HTTP/1.1" 200 0>128 12.3ms - id=id-1 error=no_route (no route)'),
    # a request of which nothing could be read
    ({"method": b"", "target": b"", "http_version": b"", "origin": "", "reused": False, "status": 400},
                                                          '"- - HTTP/?" 400 0>128 12.3ms - id=id-1'),
    # nothing in it can begin another line, or steer a terminal
    ({"target": b"/\n2026\r\x1b[2J\x85"},                 '"GET /\\x0a2026\\x0d\\x1b[2J\\x85 HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    ({"target": b"/\xfc\xff"},                            '"GET /üÿ HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    # or end its column, or begin another one
    ({"target": b'/" 200 0>0 x'},                         '"GET /\\"\\x20200\\x200>0\\x20x HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    ({"target": b"/\\"},                                  '"GET /\\\\ HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    ({"method": b'G"T', "http_version": b'1.1" 200'},     '"G\\"T /a?b HTTP/1.1\\"\\x20200" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1'),
    ({"request_id": 'a b" error=none'},                   '"GET /a?b HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=a\\x20b\\"\\x20error=none'),
    ({"error": "e", "detail": 'a "b"\n\\'},               '"GET /a?b HTTP/1.1" 200 0>128 12.3ms 127.0.0.1:9000 reused id=id-1 error=e (a \\"b\\"\\x0a\\\\)'),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), TEXT)
def test_a_line_of_text(changes: dict[str, Any], expected: Any) -> None:
    assert text_line(changed(**changes), AT).decode() == f"{AT} 192.0.2.1 {expected}\n"


HOSTILE = ['"', "\\", " ", '" 200 0>0 1.0ms - id=x', "\n", "\r\n", "\t", "\x1b]0;x\x07", "\x7f", "\x9b1m", "\xa0", "ü"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["method", "target", "http_version", "request_id", "client"])
def test_whatever_a_value_holds_the_columns_stay(name: str, value: str) -> None:
    text = f"a{value}b"
    line = text_line(
        changed(**{name: text if isinstance(getattr(changed(), name), str) else text.encode("latin-1")}), AT
    )
    assert line.count(b"\n") == 1
    assert line.decode().rstrip("\n").isprintable()
    columns = re.fullmatch(
        r'\S+ (\S+) "((?:[^"\\ ]|\\.)+) ((?:[^"\\ ]|\\.)+) HTTP/((?:[^"\\ ]|\\.)+)" 200 0>128 12\.3ms 127\.0\.0\.1:9000 reused id=(\S+)',
        line.decode().rstrip("\n"),
    )
    assert columns is not None, line


def test_a_line_of_json_is_one_object_on_one_line() -> None:
    line = json_line(changed(target=b'/"\n\x00\xff', attempts=0), AT)
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line) == {
        "time": AT, "client": "192.0.2.1", "method": "GET", "host": "h.example", "target": '/"\n\x00\xff',
        "version": "1.1", "status": 200, "request_bytes": 0, "response_bytes": 128, "duration_s": 0.0123,
        "first_byte_s": 0.01, "request_id": "id-1", "user_agent": "curl/8", "route": "default",
        "upstream": "127.0.0.1:9000", "reused": True,
    }  # fmt: skip


EVERYTHING: dict[str, Any] = {
    "responded": 1000.01, "tunnel_end": "idle", "error": "e", "detail": "d", "would_refuse": "rate_limited",
    "earlier": EARLIER,
}  # fmt: skip


def test_a_line_has_the_fields_of_the_documentation_in_their_order() -> None:
    line = json_line(traced(b"00-" + TRACE + b"-00f067aa0ba902b7-01", **EVERYTHING), AT, ChosenFields(["request:Host"]))
    assert msgspec.json.decode(line, type=Line, strict=True).fields == {"request:Host": "h"}
    assert list(msgspec.json.decode(line)) == list(Line.__struct_fields__)


@pytest.mark.parametrize(
    "name", ["client", "method", "target", "http_version", "request_id", "route", "origin", "host", "user_agent"]
)
def test_a_text_with_a_quote_is_escaped_wherever_it_stands(name: str) -> None:
    text = 'a"b\\c\n'
    known: dict[str, Any] = {name: text}
    if name in ("method", "target", "http_version"):
        known = {name: text.encode()}
    elif name in ("host", "user_agent"):
        known = {"fields": [(name.replace("_", "-").encode(), text.encode())]}
    line = decoded(**known)
    assert line[{"http_version": "version", "origin": "upstream"}.get(name, name)] == text
    assert line["status"] == 200


DURATIONS = [
    (0.0, 0.0),
    (0.0000004, 0.0),
    (0.0000015, 0.000002),
    (0.01, 0.01),
    (0.999999, 0.999999),
    (61.5, 61.5),
    (1e9, 1e9),
]


@pytest.mark.parametrize(("seconds", "shown"), DURATIONS)
def test_durations_are_to_the_microsecond(seconds: float, shown: float) -> None:
    assert decoded(started=0.0, ended=seconds)["duration_s"] == shown


def test_no_control_of_a_terminal_stands_in_a_line_of_json() -> None:
    line = json_line(changed(target=b"/\x7f\x80\x9b31m\xa0\xfc", fields=[(b"User-Agent", b"\x9f\xff")]), AT)
    assert b"\\u007f\\u0080\\u009b31m" in line
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", line.decode())
    assert msgspec.json.decode(line)["target"] == "/\x7f\x80\x9b31m\xa0\xfc"
    assert msgspec.json.decode(line)["user_agent"] == "\x9f\xff"


def test_without_a_response_there_is_no_first_byte_and_without_fields_no_host() -> None:
    line = decoded(responded=0.0, fields=())
    assert not {"first_byte_s", "host", "user_agent"} & line.keys()


def test_what_is_long_is_cut() -> None:
    long = b"x" * 5000
    line = decoded(method=long, target=b"/" + long, http_version=long, fields=[(b"HOST", long), (b"User-Agent", long)])
    assert line["target"] == "/" + "x" * 1023 + "..."
    assert [len(line[name]) for name in ("method", "version", "host", "user_agent")] == [64, 16, 256, 512]
    assert len(text_line(changed(detail="x" * 5000, error="e"), AT)) < 1000


PASSWORDS = [
    # target                                  as shown
    (b"http://alice:s3cret@h/x@y",            "http://***@h/x@y"),
    (b"alice:s3cret@h:443",                   "***@h:443"),
    (b"http://alice:" + b"s" * 2000 + b"@h/", "http://***@h/"),
    (b"/a//b@c",                              "/a//b@c"),
    (b"http://h/?@",                          "http://h/?@"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "shown"), PASSWORDS)
def test_a_password_in_a_target_is_not_logged(target: bytes, shown: str) -> None:
    assert decoded(target=target)["target"] == shown
    assert f'"GET {shown} HTTP/1.1"' in text_line(changed(target=target), AT).decode()


def test_a_password_in_a_host_is_not_logged() -> None:
    assert decoded(fields=[(b"Host", b"alice:s3cret@h")])["host"] == "***@h"


def test_the_time_of_day_is_utc_to_the_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    time_of_day = TimeOfDay()
    for now, text in [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1.9999, "1970-01-01T00:00:01.999Z"),
        (1.5, "1970-01-01T00:00:01.500Z"),
    ]:
        monkeypatch.setattr("proxy.telemetry.access_lines.time.time", lambda now=now: now)
        assert time_of_day.now() == text


TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
TRACES = [
    # traceparent                                    the trace that is logged
    (b"00-" + TRACE + b"-00f067aa0ba902b7-01",       TRACE.decode()),
    (b"cc-" + TRACE + b"-00f067aa0ba902b7-01-later", TRACE.decode()),
    (b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",   ""),
    (b"00-" + TRACE.upper() + b"-00f067aa0ba902b7-01", ""),
    (b"00-" + TRACE + b"\n-00f067aa0ba902b7-01",    ""),
    (b"",                                            ""),
]  # fmt: skip


def traced(traceparent: bytes, **changes: Any) -> ExchangeRecord:
    fields: Fields = [(b"Host", b"h"), (b"TraceParent", traceparent), (b"User-Agent", b"u")]
    return changed(**changes, fields=fields, head=RequestHead(b"GET", b"/", b"1.1", *section(fields)))


@pytest.mark.parametrize(("traceparent", "expected"), TRACES)
def test_the_trace_of_a_request_stands_in_its_line(traceparent: bytes, expected: str) -> None:
    record = traced(traceparent)
    assert msgspec.json.decode(json_line(record, AT)).get("trace_id", "") == expected
    assert (f" trace={expected}" if expected else " id=id-1\n") in text_line(record, AT).decode()


RESPONSE_LINES: Fields = [(b"Content-Type", b"text/plain"), (b"X-A", b"1"), (b"x-a", b"2")]
CHOSEN = ChosenFields(
    ["request:X-Other", "response:x-A", "response:Content-Type", "request:Missing", "response:X-Other"]
)


def answered() -> ExchangeRecord:
    return changed(response=ResponseHead(200, b"OK", b"1.1", *section(RESPONSE_LINES)))


def test_chosen_fields_stand_in_a_line_as_they_were_received() -> None:
    assert msgspec.json.decode(json_line(answered(), AT, CHOSEN))["fields"] == {
        "request:X-Other": "o", "response:Content-Type": "text/plain", "response:x-A": "1, 2",
    }  # fmt: skip
    line = text_line(answered(), AT, CHOSEN).decode()
    assert " request:X-Other=o response:Content-Type=text/plain response:x-A=1,\\x202\n" in line


def test_without_a_response_or_fields_there_are_none_of_them() -> None:
    assert "fields" not in msgspec.json.decode(json_line(changed(fields=()), AT, CHOSEN))
    assert text_line(changed(fields=()), AT, CHOSEN) == text_line(changed(fields=()), AT)


def test_a_chosen_field_is_cut_and_can_forge_nothing() -> None:
    record = changed(fields=[(b"X-Other", b"x" * 5000), (b"X-Other", b"y")])
    assert msgspec.json.decode(json_line(record, AT, CHOSEN))["fields"]["request:X-Other"] == "x" * 512
    line = text_line(changed(fields=[(b"X-Other", b'a b\x1b[2J"\x85')]), AT, CHOSEN).decode()
    assert ' request:X-Other=a\\x20b\\x1b[2J\\"\\x85' in line
