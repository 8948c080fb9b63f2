"""A configuration in several files: `include` names more of them, and nothing may be set in two."""

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from proxy.config.expand import Expansion
from proxy.config.problem import KeyPath, Problem, Value
from proxy.config.toml_file import from_file

INCLUDE: Final[KeyPath] = ("include",)
#: Tables of tables. An entry must be complete in one file: else two files could make one route together by accident.
_NAMED: Final = ("upstreams", "routes", "listeners")


class Files:
    """Reads a file, and those that it includes. `read` are their paths, in order."""

    def __init__(self, expansion: Expansion, problems: list[Problem]) -> None:
        self._expansion = expansion
        self._problems = problems
        self._open: list[Path] = []  # that are being read: one including the next
        self._included_at: dict[Path, str] = {}
        self._values: dict[KeyPath, Value] = {}
        self._entries: dict[KeyPath, Value] = {}  # the first value of each entry: its file may set the entry
        self._twice: set[tuple[KeyPath, str]] = set()  # reported already, by key and file
        self.read: list[Path] = []

    def values(self, path: Path | None, include: Value | None) -> dict[KeyPath, Value]:
        """All values of `path` and of the files that it includes. `include`, where given, replaces the file's own."""
        if path is not None:
            self._included_at[path.resolve()] = "the first file"
            self._add(path, include)
        elif include is not None and (expanded := self._expansion.expanded(INCLUDE, include, self._problems)):
            self._include(expanded)
        return self._values

    def _add(self, path: Path, instead: Value | None = None) -> None:
        self.read.append(path)
        found = from_file(path, self._problems)
        own = found.pop(INCLUDE, None)
        include = instead or own
        if include is not None:
            include = self._expansion.expanded(INCLUDE, include, self._problems)
        if include is not None and not self._open:
            found[INCLUDE] = include  # that of an included file is not a setting of the instance
        self._merge(found)
        if include is not None:
            self._open.append(path.resolve())
            self._include(include)
            self._open.pop()

    def _merge(self, found: Mapping[KeyPath, Value]) -> None:
        for key, value in found.items():
            entry = key[:2] if key[0] in _NAMED else key
            first = self._entries.setdefault(entry, value)
            if first.source == value.source:
                self._values[key] = value
            elif (entry, value.source) not in self._twice:
                self._twice.add((entry, value.source))
                expected = f"is already set in {first.origin}"
                self._problems.append(Problem(value.source, value.line, ".".join(entry), "", expected))

    def _include(self, include: Value) -> None:
        if not (isinstance(include.value, list) and all(isinstance(one, str) for one in include.value)):
            return  # reported for its type, when values are converted
        found: dict[Path, Path] = {}  # by the resolved path: what two patterns of a list both match is read once
        for pattern in include.value:
            for path in self._matches(pattern, include):
                found.setdefault(path.resolve(), path)
        for resolved, path in found.items():
            if resolved in self._open:
                self._tell(include, str(path), "includes itself: " + " -> ".join(map(str, [*self._open, resolved])))
            elif (before := self._included_at.setdefault(resolved, include.origin)) != include.origin:
                self._tell(include, str(path), f"is included by {before} already")
            else:
                self._add(path)

    def _matches(self, pattern: str, include: Value) -> list[Path]:
        if not glob.has_magic(pattern):
            path = include.folder / pattern
            if path.is_file():
                return [path]
            self._tell(include, pattern, "is a folder: add /*.toml" if path.is_dir() else "no such file")
            return []
        names = glob.glob(pattern, root_dir=include.folder, recursive=True)
        paths = [include.folder / name for name in sorted(names)]
        # `*.toml` in the folder of the file itself does not mean that one.
        return [path for path in paths if path.is_file() and path.resolve() not in self._open[-1:]]

    def _tell(self, include: Value, what: str, expected: str) -> None:
        self._problems.append(Problem(include.source, include.line, ".".join(INCLUDE), f'"{what}"', expected))
