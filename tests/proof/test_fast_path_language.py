"""Every head that the fast path's patterns accept, h11's own patterns accept, and split into the same fields.

Left to argue in words, because it is not about patterns:

- That the fast path accepts what is put together here from its patterns: it cuts a head at its first CRLFCRLF, splits
  that at each LF, and matches each line as a whole, with its CR but for a response's first. No line that matches holds
  an LF, nor a CR but at its end.
- What the groups of a match are. Both first lines begin with parts that no space can be in, so they
  can be split in one way only; h11's patterns split them at the same spaces.
- That h11 divides a head into lines at LF, with or without CR, and ends it at the first empty one: what is accepted here
  has CRLF only, and its first empty line is its end (both shown below).
- What `gather` makes of the lines, and that a remembered line is the one that was read: tables and property tests.
- That the engine does what the pattern says: property tests, and the self-test of every worker.
"""

import re
from typing import Final

import h11._abnf
import pytest

from proxy.http1.parsing import fast_path
from tests.proof.automata import (
    ALL_BYTES,
    VALUE_BEGINS,
    VALUE_ENDS,
    Automaton,
    any_of,
    compare,
    either,
    literal,
    of_pattern,
    repeated,
    sequence,
)

_BLANK_BEFORE_END: Final = rb"(?<![\t ])"
_CRLF: Final = literal(13, 10)
_ANYTHING: Final = repeated(any_of(ALL_BYTES))
_HEADER: Final = of_pattern(h11._abnf.header_field.encode())
_FIELDS: Final = sequence(repeated(sequence(_HEADER, _CRLF)), _CRLF)
_FIRST_LINES: Final = {
    "request": of_pattern(h11._abnf.request_line.encode()),
    "response": of_pattern(h11._abnf.status_line.encode()),
}
_SECTION: Final = rb"\n(?:" + fast_path._FIELD_LINE.pattern + rb"\n)*\r\n"
_PATTERNS: Final = {
    "request": fast_path._REQUEST_LINE.pattern + _SECTION,
    "response": fast_path._STATUS_LINE.pattern + rb"\r" + _SECTION,
}
_CONTROL: Final = frozenset(i for i in range(32) if i not in b"\t\r\n") | {127}


def fast(kind: str) -> Automaton:
    """What the fast path accepts, and heads with lines that end in white space, which its look-behind excludes."""
    pattern = _PATTERNS[kind]
    assert pattern.count(_BLANK_BEFORE_END) == 1
    return of_pattern(pattern.replace(_BLANK_BEFORE_END, b""))


def containing(*parts: Automaton) -> Automaton:
    """Texts in which these stand, one behind the other."""
    return sequence(_ANYTHING, *parts, _ANYTHING)


#: By name: what no head that is accepted may contain.
NEVER: Final = {
    "a control byte": containing(any_of(_CONTROL)),
    "a bare LF": either(sequence(literal(10), _ANYTHING), containing(any_of(ALL_BYTES - {13}), literal(10))),
    "a bare CR": either(sequence(_ANYTHING, literal(13)), containing(literal(13), any_of(ALL_BYTES - {10}))),
    "a folded line": containing(_CRLF, any_of(b" \t")),
    "anything behind its first empty line": sequence(_ANYTHING, _CRLF, _CRLF, any_of(ALL_BYTES), _ANYTHING),
}


@pytest.mark.parametrize("kind", ["request", "response"])
def test_what_the_fast_path_accepts_h11_accepts(kind: str) -> None:
    h11s = sequence(_FIRST_LINES[kind], _CRLF, _FIELDS)
    found = compare([fast(kind), h11s], lambda accepted: accepted[1] or not accepted[0])
    print(f"{kind}: {fast(kind).size} states within {h11s.size}; {found.pairs} pairs of sets of states looked at")
    assert found.counterexample is None, bytes(found.counterexample)


@pytest.mark.parametrize("kind", ["request", "response"])
@pytest.mark.parametrize("what", NEVER)
def test_no_accepted_head_contains(kind: str, what: str) -> None:
    found = compare([fast(kind), NEVER[what]], lambda accepted: not all(accepted))
    assert found.counterexample is None, bytes(found.counterexample)


def test_both_find_the_same_name_and_value_in_a_line() -> None:
    token = re.fullmatch(
        rb"\((\[.*?\]\+\+)\):\[\\t \]\*\+\(\[\\t\\x20-\\x7e\\x80-\\xff\]\*\+\)\(\?<!\[\\t \]\)\\r",
        fast_path._FIELD_LINE.pattern,
    )
    assert token is not None
    # Possessive, so that a value never begins with white space; and no line ends in it, says the look-behind.
    visible, text = (
        any_of(b for b in range(256) if b >= 33 and b != 127),
        any_of([9, *range(32, 127), *range(128, 256)]),
    )
    value = either(literal(), visible, sequence(visible, repeated(text), visible))
    ours = sequence(
        of_pattern(token[1]), literal(58), repeated(any_of(b" \t")), literal(VALUE_BEGINS), value, literal(VALUE_ENDS)
    )
    name, _, rest = h11._abnf.header_field.partition(")")
    assert rest == r":[ \t]*(?P<field_value>" + h11._abnf.field_value + r")[ \t]*"
    theirs = sequence(
        of_pattern((name + ")").encode()), literal(58), repeated(any_of(b" \t")), literal(VALUE_BEGINS),
        of_pattern(h11._abnf.field_value.encode()), literal(VALUE_ENDS), repeated(any_of(b" \t")),
    )  # fmt: skip
    found = compare([ours, theirs], lambda accepted: accepted[1] or not accepted[0])
    assert found.counterexample is None, found.counterexample


def test_the_value_that_h11_finds_is_the_only_one() -> None:
    """Neither begins nor ends with white space, and the white space around it is all there is beside it."""
    value = of_pattern(h11._abnf.field_value.encode())
    blank = any_of(b" \t")
    padded = either(sequence(blank, _ANYTHING), sequence(_ANYTHING, blank))
    assert compare([value, padded], lambda accepted: not all(accepted)).counterexample is None


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (rb"([A-Z]+) (/[!-~]*) HTTP/(1\.[01])\r\n((?:[!-~]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n", b'":\r\n'),
        (rb"([A-Z]+) (/[ !-~]*) HTTP/(1\.[01])\r\n(\r\n)", b" /  HTTP"),
    ],
)
def test_a_wrong_pattern_is_found(wrong: bytes, part: bytes) -> None:
    h11s = sequence(_FIRST_LINES["request"], _CRLF, _FIELDS)
    found = compare([of_pattern(wrong), h11s], lambda accepted: accepted[1] or not accepted[0])
    assert found.counterexample is not None
    head = bytes(found.counterexample)
    assert part in head
    assert re.fullmatch(wrong, head)
