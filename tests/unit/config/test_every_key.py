"""Every key of the model: what is said of a value that is not of its type, and of an environment variable's.

What a key's type cannot say is in the files beside this one, each about some tables.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from msgspec import inspect

from proxy.config.convert import scalar_keys
from proxy.config.model import Config
from proxy.config.sources import load

TIME = 'expected a time: a number of seconds, or a text such as "10s" or "1m30s"'
SIZE = 'expected a size: a number of bytes, or a text such as "64k" or "10 MiB"'
#: By type: a value that is none of it, and what is said.
WRONG: Final = {
    inspect.BoolType: ('"yes"', "expected true or false, got a text"),
    inspect.IntType: ('"many"', "expected a whole number, got a text"),
    inspect.FloatType: ('"much"', "expected a number, got a text"),
    inspect.StrType: ("5", "expected a text, got a whole number"),
    inspect.ListType: ("5", "expected a list, got a whole number"),
    inspect.DictType: ("5", "expected a table, got a whole number"),
}
#: Their values may be secrets, so that not even a wrong one is shown.
MASKED: Final = ("explain.secret", "fields.put", "fields.add")


def keys(kind: inspect.Type, path: str = "") -> Iterator[tuple[str, inspect.Type]]:
    """Every key below a type, with its own: `a.b`, `upstreams.n.urls`, and `routes.n.split[weight` within a list."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):  # what may be left out
        kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
        yield from keys(kind, path)
    elif isinstance(kind, inspect.StructType):
        separator = "." if path and not path.endswith("[") else ""
        for field in kind.fields:
            yield from keys(field.type, f"{path}{separator}{field.encode_name}")
    elif isinstance(kind, inspect.DictType) and not isinstance(kind.value_type, inspect.StrType):
        yield from keys(kind.value_type, f"{path}.n")
    else:
        yield path, kind
        if isinstance(kind, inspect.ListType):
            item = kind.item_type
            if isinstance(item, inspect.StructType):
                yield from keys(item, f"{path}[")


def wrong(key: str, kind: inspect.Type) -> tuple[str, str]:
    """A value that is not of a key's type, and what is said of it."""
    if isinstance(kind, inspect.LiteralType):
        return '"wrong"', "expected one of " + ", ".join(f'"{choice}"' for choice in kind.values)
    value, expected = WRONG[type(kind)]
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        expected = TIME if key.endswith("_s") and "_per_s" not in key else expected
        expected = SIZE if key.endswith(("_bytes", "_bytes_per_s")) else expected
    return value, expected


KEYS: Final = dict(keys(inspect.type_info(Config)))


def test_all_keys_are_among_these() -> None:
    assert len(KEYS) > 170
    assert {".".join(key) for key in scalar_keys()} <= KEYS.keys()
    assert {"listeners.n.tls.certificates[key", "routes.n.timeouts.linger_s", "upstreams.n.retry.on"} <= KEYS.keys()


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_another_type_is_told_with_file_line_key_value_and_what_was_expected(
    tmp_path: Path, key: str
) -> None:
    value, expected = wrong(key, KEYS[key])
    shown = "***" if key.endswith(MASKED) else value
    written, _, inner = key.partition("[")
    if inner:
        value = shown = f"[{{ {inner} = {value} }}]"
    file = tmp_path / "onehop.toml"
    file.write_text(f"# a line before\n\n{written} = {value}\n")
    [found] = load(file, {}, needs_upstream=False).problems
    assert str(found) == f"{file}:3: {written} = {shown}: {expected}"


@pytest.mark.parametrize("key", [key for key in KEYS if tuple(key.split(".")) in scalar_keys()])
def test_a_variable_of_another_type_is_told_by_its_name(key: str) -> None:
    kind = KEYS[key]
    if isinstance(kind, inspect.StrType | inspect.ListType):
        return  # any text is one, and a list of one
    value, expected = wrong(key, kind)
    variable = f"ONEHOP_{key}".upper().replace(".", "_")
    found = load(None, {variable: value.strip('"')}, needs_upstream=False).problems
    assert [str(each) for each in found] == [f"{variable}: {key} = {value}: {expected}"]
