"""A configuration as a person reads it: TOML, and no secrets."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from proxy.config.model import Config
from proxy.config.problem import KeyPath
from proxy.http1.field_names import is_secret
from proxy.http1.masking import MASK, shown_text


def effective(config: Config, sources: Mapping[str, str], secrets: Collection[str] = ()) -> list[tuple[str, str, str]]:
    """Every key that has a value: name, value, and where it comes from. Values of `secrets` are not shown."""
    rows = []
    tree = msgspec.to_builtins(config)
    tree.pop("contents", None)  # of files: their names are shown
    for key, value in leaves(tree):
        if value is not None:
            name = ".".join(key)
            rows.append((name, shown(key, value, secret=name in secrets), sources.get(name, "default")))
    return rows


def leaves(tree: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value of a TOML document with its key; a table without keys is a value too."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def shown(key: KeyPath, value: object, *, secret: bool = False) -> str:
    """A value as a person would write it; what a route puts into fields may be a secret, and is not shown."""
    if secret or (value and _may_hold_secret(key)):
        return MASK
    return shown_text(as_toml(_masked(key, value)))


def _masked(key: KeyPath, value: object) -> object:
    """A value without the secrets in its tables: a flag may give a whole table."""
    if value and _may_hold_secret(key):
        return MASK
    if isinstance(value, dict):
        return {name: _masked((*key, str(name)), one) for name, one in value.items()}
    return value


def _may_hold_secret(key: KeyPath) -> bool:
    if key == ("explain", "secret"):
        return True
    if key[0] != "routes" or len(key) < 3:
        return False
    if key[2].endswith("_fields"):
        return key[3:4] != ("remove",)
    return key[2] == "headers" and is_secret(key[-1].encode("latin-1", "replace"))


def as_toml(value: object) -> str:
    """A value in TOML's own words."""
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{_as_key(name)} = {as_toml(one)}" for name, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool) else repr(value)


def _as_key(name: object) -> str:
    """A key as TOML writes it: bare if it is one of ours, else in quotes."""
    return name if isinstance(name, str) and re.fullmatch("[a-z_]+", name) else as_toml(name)
