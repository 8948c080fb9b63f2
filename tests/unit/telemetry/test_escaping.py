"""Text from elsewhere in a line of ours."""

import pytest

from proxy.telemetry.escaping import escape_control, escape_text, escape_word

CASES = [
    # the text             as a word                     as text                   control bytes only
    ("plain-1.0/ü",        "plain-1.0/ü",                "plain-1.0/ü",            "plain-1.0/ü"),
    ("a b",                "a\\x20b",                    "a b",                    "a b"),
    ('a"b',                'a\\"b',                      'a\\"b',                  'a"b'),
    ("a\\b",               "a\\\\b",                     "a\\\\b",                 "a\\b"),
    ("a\r\nb\x00\x7f",     "a\\x0d\\x0ab\\x00\\x7f",     "a\\x0d\\x0ab\\x00\\x7f", "a\\x0d\\x0ab\\x00\\x7f"),
    ("\x1b[2J\x85",        "\\x1b[2J\\x85",              "\\x1b[2J\\x85",          "\\x1b[2J\\x85"),
    ("\u2028\U000e0001",   "\\u2028\\U000e0001",         "\\u2028\\U000e0001",     "\\u2028\\U000e0001"),
    ("\xa0",               "\\xa0",                      "\\xa0",                  "\\xa0"),
    ("",                   "",                           "",                       ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "word", "sentence", "line"), CASES)
def test_what_is_escaped(text: str, word: str, sentence: str, line: str) -> None:
    assert (escape_word(text), escape_text(text), escape_control(text)) == (word, sentence, line)
