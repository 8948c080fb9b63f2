"""Rules for the access log that types cannot express."""

from collections.abc import Iterator
from pathlib import Path

from proxy.config.findings import Finding
from proxy.config.model import Config
from proxy.http1.field_names import is_secret
from proxy.http1.fields import TOKEN


def log_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the access log's file and fields."""
    if config.access_log_file:
        path = Path(config.access_log_file)
        if path.is_dir():
            yield ("access_log_file",), f'"{path}"', "this is a folder: expected a file"
        elif not path.parent.is_dir():
            yield ("access_log_file",), f'"{path}"', f"there is no folder {path.parent}"
    for text in config.access_log_fields:
        side, _, name = text.partition(":")
        if side not in ("request", "response") or not TOKEN.fullmatch(name.encode("utf-8")):
            yield ("access_log_fields",), f'"{text}"', 'expected "request:NAME" or "response:NAME"'
        elif is_secret(name.lower().encode("ascii")):
            yield ("access_log_fields",), f'"{text}"', "this field may hold a secret, which must not be logged"
