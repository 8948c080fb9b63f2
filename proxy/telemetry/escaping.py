"""Escapes untrusted text for a log line: it cannot begin a line, end a column, or control a terminal."""

import re
from typing import Final

_SPECIAL: Final = re.compile(r'[ "\\]')


def needs_escaping(text: str) -> bool:
    """Whether `escape_word` would change the text."""
    return not text.isprintable() or _SPECIAL.search(text) is not None


def escape_word(text: str) -> str:
    """The text as one word: spaces, quotes, backslashes and what is not printable become `\\x20` and their like."""
    return "".join(_escape(char) for char in text) if needs_escaping(text) else text


def escape_text(text: str) -> str:
    """The text on one line: as `escape_word`, but spaces stay."""
    return "".join(char if char == " " else _escape(char) for char in text) if needs_escaping(text) else text


def escape_control(text: str) -> str:
    """The text on one line, where nothing reads columns: only what is not printable is escaped."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable() and char != " ":
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
