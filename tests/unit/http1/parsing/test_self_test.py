"""The self-test of a worker's start: silent on a sound interpreter, and it sees each kind of fault."""

import re
from time import process_time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from proxy.http1 import target
from proxy.http1.parsing import chunked, fast_path, self_test, strictness, whole_chunks
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.remembered import Remembered

#: As if the look-behind did not work, like that of a possessive group on CPython 3.11.0 to 3.11.4 (gh-106052): white
#: space at a line's end becomes a part of its value.
FIELD_LINE_CUT = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[\t ]*+([\t\x20-\x7e\x80-\xff]*+)\r")


def break_pattern(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, pattern: re.Pattern[bytes]) -> None:
    """Replace a pattern, and forget what was read by the right one."""
    monkeypatch.setattr(module, name, pattern)
    monkeypatch.setattr(fast_path, "_STATUS_LINES", Remembered(fast_path._STATUS_LINES._function, 1024))
    for table in ("_FIELD_LINES", "_SECTIONS"):
        monkeypatch.setattr(fast_path, table, {})
    monkeypatch.setattr(whole_chunks, "_SIZES", Remembered(whole_chunks._plain_size, 1024))


def test_a_sound_interpreter_passes() -> None:
    assert self_test.disagreements() == []


def test_it_costs_a_few_milliseconds() -> None:
    began = process_time()
    self_test.disagreements()
    assert process_time() - began < 0.05


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("module", "name", "pattern", "found"),
    [
        (fast_path, "_FIELD_LINE", FIELD_LINE_CUT, "request differently"),
        (fast_path, "_FIELD_LINE", FIELD_LINE_CUT, "response differently"),
        (fast_path, "_FIELD_LINE", re.compile(rb"([^:]++):[ \t]*+([^\r]*+)(?<![\t ])\r"), "request differently"),
        (fast_path, "_REQUEST_LINE", re.compile(rb"([A-Z]{1,20}+) (/[^ ]*+) HTTP/(1\.[01])\r"), "request differently"),
        (fast_path, "_STATUS_LINE", re.compile(rb"HTTP/(1\.[01]) ([0-9]+) ([\x20-\x7e]*+)"), "response differently"),
        (whole_chunks, "_PLAIN_SIZE", re.compile(rb"([0-9A-Fa-f]{1,15}+)[^\r]*+"), "malformed chunked body"),
        (chunked, "_SIZE_LINE", re.compile(rb"([0-9A-Fa-f]{1,15}+)[ \t]*+(;.*)?"), "malformed chunked body"),
        (chunked, "_SIZE_LINE", re.compile(rb"([0-9A-F]{1,15}+)[ \t]*+(;.*)?"), "chunked body is read wrongly"),
        (target, "_AUTHORITY", re.compile(rb"(?:[a-z0-9%]+|\[([0-9a-f:]+)\])(?::([0-9]{0,5}))?"), "invalid authority is accepted: 'ga%:80'"),
        (strictness, "_CONTROL", b"\x00", "byte 0x01"),
    ],
)  # fmt: skip
def test_a_broken_pattern_is_seen(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, pattern: re.Pattern[bytes], found: str
) -> None:
    break_pattern(monkeypatch, module, name, pattern)
    disagreements = self_test.disagreements()
    assert any(found in line for line in disagreements), disagreements
    assert all(line.isprintable() for line in disagreements), "each is shown on one line of the log"


def test_the_summary_names_the_first_and_counts_the_others() -> None:
    assert self_test.summary(["a", "b", "c"]) == (
        "self-test failed on this Python: a (and 2 more); every message is read by the h11 parser"
    )
    assert self_test.summary(["a"]) == "self-test failed on this Python: a; every message is read by the h11 parser"


class Forgetful(HeadParser):
    """Loses a line of each request, whichever way it is read."""

    def request_head(self) -> Any:
        head = super().request_head()
        return None if head is None else SimpleNamespace(fields=head.fields[1:])


class Blind(HeadParser):
    """Sees no request's end, whichever way it is read."""

    def request_head(self) -> Any:
        if super().request_head() is not None:
            return None
        raise AssertionError("no whole request")


@pytest.mark.interpreted
@pytest.mark.parametrize("parser", [Forgetful, Blind])
def test_what_both_ways_to_read_get_wrong_alike_is_seen(
    monkeypatch: pytest.MonkeyPatch, parser: type[HeadParser]
) -> None:
    monkeypatch.setattr(self_test, "HeadParser", parser)
    assert any("read a request differently" in line for line in self_test.disagreements())
