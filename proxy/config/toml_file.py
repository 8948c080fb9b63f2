"""Values from a TOML file, each with its line."""

import errno
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from proxy.config.problem import KeyPath, Problem, Value
from proxy.config.show import leaves

_TABLE: Final = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")  # [[...]]: one of a list
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_\-.\"' ]+?)\s*=")


def from_file(path: Path, problems: list[Problem]) -> dict[KeyPath, Value]:
    """Read a file; where it cannot be read, `problems` says why."""
    try:
        text = _read(path).decode("utf-8-sig")
        tree = tomllib.loads(text)
    except OSError as exc:
        problems.append(Problem(str(path), None, "", "", f"cannot be read: {exc.strerror}"))
    except UnicodeDecodeError as exc:
        problems.append(Problem(str(path), None, "", "", f"is not UTF-8 (byte {exc.start})"))
    except tomllib.TOMLDecodeError as exc:
        found = re.search(r"line (\d+)", str(exc))
        problems.append(Problem(str(path), int(found[1]) if found else None, "", "", f"is not TOML: {exc}"))
    except (ValueError, RecursionError):  # from tomllib: thousands of digits, or of brackets within each other
        problems.append(Problem(str(path), None, "", "", "cannot be read: a number is too long, or brackets too deep"))
    else:
        lines = _lines_of_keys(text)
        return {key: Value(value, str(path), _line_of(lines, key), path.parent) for key, value in leaves(tree)}
    return {}


def _read(path: Path) -> bytes:
    """The bytes of a file. A named pipe is refused: the parent would wait for whoever writes into it, at a reload too.
    What a shell passes as /dev/stdin or /dev/fd/63 is read."""
    if stat.S_ISFIFO(os.stat(path).st_mode) and path.resolve().exists():
        raise OSError(errno.EINVAL, "it is a named pipe, which nothing can be read from again; name a file")
    return path.read_bytes()


def _lines_of_keys(text: str) -> dict[KeyPath, int]:
    """The line of each key and table: a plain reading, good enough to point at; TOML itself is tomllib's business."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _TABLE.fullmatch(line):
            table = _dotted(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_dotted(key[1])), number)
    return lines


def _dotted(text: str) -> KeyPath:
    return tuple(part.strip(" \"'") for part in text.split("."))


def _line_of(lines: Mapping[KeyPath, int], key: KeyPath) -> int | None:
    return next((lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in lines), None)
