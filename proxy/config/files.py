"""Files whose contents a configuration uses as they are: pages, and fixed answers.

They are read once, with the configuration: a worker that starts later has the same contents as all others, even if the
files have changed.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from proxy.config.findings import Finding
from proxy.config.model import Config
from proxy.policy.error_pages import ErrorPage, ErrorPages
from proxy.transport.regular_file import read_regular

_MOST_BYTES: Final = 1 << 20
_STATUS: Final = re.compile(r"[45](?:[0-9]{2}|xx)")
_TYPES: Final = {
    ".htm": b"text/html; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".xml": b"application/xml",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".ico": b"image/x-icon",
}


class ConfigWithFiles(Config, frozen=True, kw_only=True):
    """A configuration with the contents of the files that it names."""

    contents: dict[str, bytes] = msgspec.field(default_factory=dict)


def named_files(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """The files, each with its key."""
    for status, path in config.error_pages.items():
        yield ("error_pages", status), path
    for name, route in config.routes.items():
        for status, path in route.error_pages.items():
            yield ("routes", name, "error_pages", status), path
        if route.respond is not msgspec.UNSET and route.respond.file:
            yield ("routes", name, "respond", "file"), route.respond.file


def with_files(config: Config) -> tuple[ConfigWithFiles, list[Finding]]:
    """Read the files. Also returns what is wrong with them."""
    contents: dict[str, bytes] = {}
    findings: list[Finding] = []
    for key, path in named_files(config):
        try:
            contents[path] = read_regular(path, _MOST_BYTES + 1)
        except OSError as exc:
            findings.append((key, f'"{path}"', f"cannot be read: {exc.strerror}"))
            continue
        if len(contents[path]) > _MOST_BYTES:
            findings.append((key, f'"{path}"', "expected 1 MiB or less: every worker holds it"))
    settings = {name: getattr(config, name) for name in Config.__struct_fields__}
    return ConfigWithFiles(**settings, contents=contents), findings


def error_pages(config: Config, files: dict[str, str], for_all: ErrorPages | None = None) -> ErrorPages | None:
    """The pages in these files, by status; None where there are none."""
    pages = {status: ErrorPage(type_of(path), content(config, path)) for status, path in files.items()}
    return ErrorPages(pages, for_all) if pages else None


def page_problems(config: Config) -> Iterator[Finding]:
    """What is wrong with the statuses of pages."""
    places: list[tuple[tuple[str, ...], dict[str, str]]] = [(("error_pages",), config.error_pages)]
    places += [(("routes", name, "error_pages"), route.error_pages) for name, route in config.routes.items()]
    for key, pages in places:
        for status in pages:
            if not _STATUS.fullmatch(status):
                yield (*key, status), "", 'expected a status from 400 to 599 such as "502", or "4xx" or "5xx"'


def content(config: Config, path: str) -> bytes:
    """What a file held when the configuration was read."""
    return config.contents[path] if isinstance(config, ConfigWithFiles) else Path(path).read_bytes()


def type_of(path: str) -> bytes:
    """The media type of a file, by its suffix; text where that is unknown."""
    return _TYPES.get(Path(path).suffix.lower(), b"text/plain; charset=utf-8")
