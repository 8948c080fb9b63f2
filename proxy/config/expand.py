"""References in texts of the configuration: `${NAME}`, `${NAME:-default}`, `${file:PATH}`.

What replaces them is not expanded again: a password may hold `${`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from proxy.config.problem import KeyPath, Problem, Value, suggestion
from proxy.http1.masking import MASK
from proxy.transport.regular_file import read_regular

_REFERENCE: Final = re.compile(r"\$(?P<plain>\$\{)|\$\{(?P<inside>[^{}]*)(?P<end>\}?)")
_VARIABLE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<or>:-(?P<default>.*))?", re.DOTALL)
_FORM: Final = 'expected ${NAME}, ${NAME:-default} or ${file:PATH}; a plain "${" is written "$${"'
_MOST_BYTES: Final = 1 << 20  # of a secret's file: a certificate chain fits, a wrong path to a disk image does not


class Expansion:
    """Replaces the references in values. `used` are the variables that were asked for, `files` those that were read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.used: set[str] = set()
        self.files: list[Path] = []

    def expand(self, values: Mapping[KeyPath, Value], problems: list[Problem]) -> dict[KeyPath, Value]:
        """The values with every reference replaced; where one cannot be, `problems` says why."""
        return {key: self.expanded(key, given, problems) or given for key, given in values.items()}

    def expanded(self, key: KeyPath, given: Value, problems: list[Problem]) -> Value | None:
        """One value with every reference replaced, or None: `problems` says why it cannot be."""
        if given.expanded:
            return given
        read_before = len(self.files)
        try:
            value = self._value(given.value, given.folder)
        except _Unknown as exc:
            problems.append(Problem(given.source, given.line, ".".join(key), exc.reference, str(exc)))
            return None
        return given._replace(value=value, expanded=value != given.value, secret=len(self.files) > read_before)

    def _value(self, value: Any, folder: Path) -> Any:
        if isinstance(value, str):
            return self._text(value, folder) if "${" in value else value
        if isinstance(value, list):
            return [self._value(one, folder) for one in value]
        if isinstance(value, dict):
            return {name: self._value(one, folder) for name, one in value.items()}
        return value

    def _text(self, text: str, folder: Path) -> str:
        return _REFERENCE.sub(lambda found: self._replacement(found, folder), text)

    def _replacement(self, found: re.Match[str], folder: Path) -> str:
        if found["plain"]:
            return "${"
        inside = found["inside"]
        if found["end"] and inside.startswith("file:"):
            return self._file(folder / inside.removeprefix("file:"), found[0])
        variable = _VARIABLE.fullmatch(inside) if found["end"] else None
        if variable is None:
            raise _Unknown(found[0], _FORM)
        name, default = variable["name"], variable["default"]
        self.used.add(name)
        if variable["or"]:
            return self._environ.get(name) or default  # as the shell does: an empty variable gives way, too
        if name not in self._environ:
            meant = suggestion(name, self._environ)
            raise _Unknown(found[0], f"no such environment variable{meant or f'; ${{{name}:-default}} needs none'}")
        return self._environ[name]

    def _file(self, path: Path, reference: str) -> str:
        try:
            content = read_regular(path, _MOST_BYTES + 1)
        except OSError as exc:
            raise _Unknown(reference, f"cannot be read: {exc.strerror}") from exc
        except ValueError as exc:
            raise _Unknown(reference, "expected the path of a file") from exc  # it holds a NUL
        if len(content) > _MOST_BYTES:
            raise _Unknown(reference, f"is larger than {_MOST_BYTES} bytes")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise _Unknown(reference, "is not UTF-8") from exc
        self.files.append(path)
        return text.rstrip("\r\n")  # editors and `echo` end a file with a line end, which belongs to no secret


class _Unknown(Exception):
    """A reference to nothing."""

    def __init__(self, reference: str, expected: str) -> None:
        super().__init__(expected)
        self.reference = reference


def without_secrets(text: str, value: Value | None) -> str:
    """A text that may quote a value, with the value masked where it came from a secret's file."""
    if value is None or not value.secret:
        return text
    for part in sorted(_texts(value.value), key=len, reverse=True):
        text = text.replace(part, MASK)
    return text


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]
