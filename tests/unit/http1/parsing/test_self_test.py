"""The self-test of a worker's start: silent on a sound interpreter, and it sees each kind of fault."""

import re
from time import process_time
from types import ModuleType

import pytest

from proxy.http1 import target
from proxy.http1.parsing import chunked, fast_path, self_test, strictness, whole_chunks

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_TEXT = rb"[\t\x20-\x7e\x80-\xff]*+"
#: What CPython 3.11.0 to 3.11.4 make of a possessive group of field lines (gh-106052): the line whose last round failed,
#: at its white space, counts as matched, and its CRLF as the empty line.
_LINES_CUT = (
    rb"((?:" + _TOKEN + rb":" + _TEXT + rb"(?<![\t ])\r\n)*)(?:" + _TOKEN + rb":" + _TEXT + rb"(?<=[\t ]))?\r\n"
)
REQUEST_CUT = re.compile(rb"([A-Z]{1,20}+) (/[!\"$-~]*+) HTTP/(1\.[01])\r\n" + _LINES_CUT)
RESPONSE_CUT = re.compile(rb"HTTP/(1\.[01]) ([2-5][0-9][0-9]) ((?:[!-~][\x20-\x7e]*+)?)\r\n" + _LINES_CUT)


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
        (fast_path, "_REQUEST", REQUEST_CUT, "request differently"),
        (fast_path, "_RESPONSE", RESPONSE_CUT, "response differently"),
        (fast_path, "_LINE", re.compile(rb"([^:]++):[ \t]*+([^\r]++)\r\n"), "differently"),  # drops empty values
        (whole_chunks, "_PLAIN_SIZE_LINE", re.compile(rb"([0-9A-Fa-f]{1,15}+)\r?\n"), "malformed chunked body"),
        (chunked, "_SIZE_LINE", re.compile(rb"([0-9A-Fa-f]{1,15}+)[ \t]*+(;.*)?"), "malformed chunked body"),
        (chunked, "_SIZE_LINE", re.compile(rb"([0-9A-F]{1,15}+)[ \t]*+(;.*)?"), "chunked body is read wrongly"),
        (target, "_AUTHORITY", re.compile(rb"(?:[a-z0-9%]+|\[([0-9a-f:]+)\])(?::([0-9]{0,5}))?"), "invalid authority is accepted: 'ga%:80'"),
        (strictness, "_CONTROL", b"\x00", "byte 0x01"),
    ],
)  # fmt: skip
def test_a_broken_pattern_is_seen(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, pattern: re.Pattern[bytes], found: str
) -> None:
    monkeypatch.setattr(module, name, pattern)
    disagreements = self_test.disagreements()
    assert any(found in line for line in disagreements), disagreements


def test_the_summary_is_one_line() -> None:
    assert self_test.summary(["a", "b", "c"]).startswith("self-test failed on this Python: a (and 2 more); ")
    assert "more" not in self_test.summary(["a"])
    assert "\n" not in self_test.summary(["a\n".rstrip()])
