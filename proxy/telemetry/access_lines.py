"""A record as a log line, in text or JSON. No value can forge another line or column."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from proxy.http1.fields import FieldLine
from proxy.http1.masking import shown_target, target_without_userinfo
from proxy.policy.trace_context import received
from proxy.telemetry.escaping import escape_text, escape_word, needs_escaping
from proxy.telemetry.json_fields import EarlierAttemptShown, Line
from proxy.telemetry.record import EarlierAttempt, ExchangeRecord

_METHOD_SHOWN: Final = 64
_TARGET_SHOWN: Final = 1024
_VERSION_SHOWN: Final = 16
_HOST_SHOWN: Final = 256
_USER_AGENT_SHOWN: Final = 512
_DETAIL_SHOWN: Final = 512
_FIELD_SHOWN: Final = 512
_CONTROLS: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")  # DEL and C1, in UTF-8


_encode_json = msgspec.json.Encoder().encode


class ChosenFields:
    """The fields of `access_log_fields`: "request:User-Agent", "response:Content-Type"."""

    def __init__(self, chosen: Iterable[str]) -> None:
        self._of_request: dict[bytes, str] = {}
        self._of_response: dict[bytes, str] = {}
        for text in chosen:
            side, _, name = text.partition(":")
            named = self._of_request if side == "request" else self._of_response
            named[name.lower().encode("ascii")] = text

    def values(self, record: ExchangeRecord) -> dict[str, str]:
        """Their values as received, by their names in the configuration; several lines are joined by commas."""
        found: dict[str, str] = {}
        if self._of_request:
            _collect(record.fields, self._of_request, found)
        if self._of_response and record.response is not None:
            _collect(record.response.fields, self._of_response, found)
        return found


def _collect(lines: Iterable[FieldLine], wanted: Mapping[bytes, str], found: dict[str, str]) -> None:
    for name, value in lines:
        chosen = wanted.get(name.lower())
        if chosen is not None:
            before = f"{found[chosen]}, " if chosen in found else ""
            found[chosen] = (before + value[:_FIELD_SHOWN].decode("latin-1"))[:_FIELD_SHOWN]


def trace_id(record: ExchangeRecord) -> str:
    """The trace id of a request: ours, where tracing is on, else the one that its client sent."""
    if record.trace is not None:
        return record.trace.trace_id
    head = record.head
    if head is None or b"traceparent" not in head.known:
        return ""
    caller = received(head.known)
    return caller.trace_id if caller is not None else ""


def json_line(record: ExchangeRecord, at: str, chosen: ChosenFields | None = None) -> bytes:
    """One JSON object on a line. `at` is the time of day, `chosen` are additional fields."""
    host = user_agent = b""
    for name, value in record.fields:
        # By length first: most names need no second look.
        if len(name) == 4 and name.lower() == b"host":
            host = value[:_HOST_SHOWN]
        elif len(name) == 10 and name.lower() == b"user-agent":
            user_agent = value[:_USER_AGENT_SHOWN]
    line = Line(  # by position: by name costs twice as much
        at,
        record.client,
        record.method[:_METHOD_SHOWN].decode("latin-1"),
        _shown_target(record.target),
        record.http_version[:_VERSION_SHOWN].decode("latin-1"),
        record.status,
        record.request_bytes,
        record.response_bytes,
        _to_microseconds(record.ended - record.started),
        record.request_id,
        _to_microseconds(record.responded - record.started) if record.responded else None,
        target_without_userinfo(host).decode("latin-1"),
        user_agent.decode("latin-1"),
        record.route,
        record.origin,
        record.reused,
        record.attempts,
        record.tunnel_end,
        record.error,
        record.detail[:_DETAIL_SHOWN],
        record.would_refuse,
    )
    if record.earlier is not None:
        line.earlier = _earlier(record, record.earlier)
    line.trace_id = trace_id(record)
    if chosen is not None:
        line.fields = chosen.values(record)
    encoded = _encode_json(line) + b"\n"
    if 0xC2 in encoded or 0x7F in encoded:  # searching for a number is seven times as fast as for bytes
        # JSON allows DEL and the C1 controls, but a terminal that shows the log obeys them (U+009B begins a command).
        encoded = _CONTROLS.sub(_escaped_control, encoded)
    return encoded


def _escaped_control(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode("utf-8"))


def text_line(record: ExchangeRecord, at: str, chosen: ChosenFields | None = None) -> bytes:
    """Time, client, request, status, bytes, duration and origin, as one line to read."""
    client, request_id = record.client, record.request_id
    method = record.method[:_METHOD_SHOWN].decode("latin-1") or "-"
    target = _shown_target(record.target) or "-"
    version = record.http_version[:_VERSION_SHOWN].decode("latin-1") or "?"
    if needs_escaping(f"{client}{method}{target}{version}{request_id}"):
        client, method, target, version, request_id = map(escape_word, (client, method, target, version, request_id))
    reused = " reused" if record.reused else ""
    attempts = f" attempts={record.attempts}" if record.attempts > 1 else ""
    if record.earlier is not None:
        attempts += f" earlier={','.join(f'{each.origin}:{each.result}' for each in record.earlier)}"
    tunnel = f" tunnel={record.tunnel_end}" if record.tunnel_end else ""
    dry_run = f" would_refuse={record.would_refuse}" if record.would_refuse else ""
    failed = f" error={record.error} ({escape_text(record.detail[:_DETAIL_SHOWN])})" if record.error else ""
    traced = f" trace={trace}" if (trace := trace_id(record)) else ""
    fields = ""
    if chosen is not None:
        fields = "".join(f" {name}={escape_word(value) or '-'}" for name, value in chosen.values(record).items())
    duration_ms = (record.ended - record.started) * 1000
    text = (
        f'{at} {client} "{method} {target} HTTP/{version}" '
        f"{record.status} {record.request_bytes}>{record.response_bytes} {duration_ms:.1f}ms "
        f"{record.origin or '-'}{reused}{attempts} id={request_id}{traced}{fields}{tunnel}{dry_run}{failed}\n"
    )
    return text.encode("utf-8", "replace")


def _earlier(record: ExchangeRecord, attempts: list[EarlierAttempt]) -> list[EarlierAttemptShown]:
    began = [record.started, *(attempt.ended for attempt in attempts)]
    return [
        EarlierAttemptShown(each.origin, each.result, each.reused, _to_microseconds(each.ended - since))
        for each, since in zip(attempts, began, strict=False)
    ]


def _to_microseconds(seconds: float) -> float:
    return int(seconds * 1e6 + 0.5) / 1e6  # round() makes a string first, and would take a tenth of the time


def _shown_target(target: bytes) -> str:
    target = shown_target(target)  # before it is cut: the cut could remove the "@" that marks a password
    if len(target) > _TARGET_SHOWN:
        return target[:_TARGET_SHOWN].decode("latin-1") + "..."
    return target.decode("latin-1")


#: The end of each time. Looking it up costs a tenth of formatting it.
_MILLISECONDS: Final = [f".{number:03d}Z" for number in range(1000)]


class TimeOfDay:
    """The time of day for the log, to the millisecond; the text of a second is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def now(self) -> str:
        """The time of day, in UTC."""
        milliseconds = int(time.time() * 1000)
        second = milliseconds // 1000
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return self._text + _MILLISECONDS[milliseconds % 1000]
