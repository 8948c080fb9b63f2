"""Turns given values into a `Config`, key by key, so that one wrong type does not hide the next."""

import contextlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import chain
from typing import Any, Final

import msgspec

from proxy.config.expand import without_secrets
from proxy.config.listener_model import ListenerConfig
from proxy.config.model import Config
from proxy.config.problem import KeyPath, Problem, Value, nearest, problem_at, suggestion
from proxy.config.route_model import RouteConfig
from proxy.config.route_settings import for_all_only
from proxy.config.show import shown
from proxy.config.units import EXPECTED, Unit, seconds, size, unit_of
from proxy.config.upstream_model import UpstreamConfig

#: Keys whose tables have names of their own: [upstreams.api].
NAMED_TABLES: Final = ("listeners", "upstreams", "routes")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")  # how Python keeps bytes of the environment that are not UTF-8
_MOST_BITS: Final = 64  # TOML asks for no more
_TYPES: Final = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "a table",
    "str": "a text",
}


def build_config(values: Mapping[KeyPath, Value], problems: list[Problem]) -> Config:
    """Put the values together. Each is converted by itself; what is wrong is left out, and `problems` says why."""
    tree: dict[str, Any] = {}
    told = {problem.key for problem in problems}
    for key, given in values.items():
        if ".".join(key) in told:
            continue  # a reference in it failed: its value is unknown
        read = from_text(key, given.value) if given.expanded and isinstance(given.value, str) else given.value
        value = given._replace(value=_counted(key, read))
        if _accepts(key, value, problems):
            node = tree
            for name in key[:-1]:
                node = node.setdefault(name, {})
            node[key[-1]] = value.value
    for name, kind, needed, *instead in (
        ("upstreams", UpstreamConfig, "urls", "origins"),
        ("routes", RouteConfig, "upstream", "split", "redirect", "respond"),
        ("listeners", ListenerConfig, "address"),
    ):
        for entry in [entry for entry, fields in tree.get(name, {}).items() if not {needed, *instead} & fields.keys()]:
            del tree[name][entry]
            key = (name, entry, needed)
            misspelt = suggestion(needed, [".".join(key)])  # the suggestion with which the unknown key was reported
            written = any(given[:2] == key[:2] and given[2:3] and given[2] in (needed, *instead) for given in values)
            if not written and not any(problem.expected.endswith(misspelt) for problem in problems):
                expected = f"{kind.__name__.removesuffix('Config').lower()} needs {needed!r}"
                if len(instead) > 1:
                    expected += f", or one of {', '.join(instead)}"
                problems.append(problem_at(nearest(values, key[:2]), ".".join(key[:2]), "", expected))
    return msgspec.convert(tree, Config)


def from_text(key: KeyPath, text: str) -> object:
    """Text from a shell as a TOML value, unless the key is a text. What is no TOML stays text: a wrong type."""
    schema = _schema_of(key)
    if isinstance(schema, msgspec.inspect.StrType | msgspec.inspect.LiteralType | msgspec.inspect.UnionType):
        return text
    if isinstance(schema, msgspec.inspect.ListType) and not text.startswith("["):
        return listed(text)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # no TOML; more digits than Python converts; brackets too deep for tomllib
        return text


def listed(text: str) -> list[str]:
    """The parts of a list as a shell gives it: between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def scalar_keys() -> list[KeyPath]:
    """Every key that has one place: not those inside named tables."""
    keys: list[KeyPath] = []
    for field in msgspec.structs.fields(Config):
        if field.encode_name in NAMED_TABLES:
            continue
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            keys += [(field.encode_name, inner.encode_name) for inner in msgspec.structs.fields(field.type)]
        else:
            keys.append((field.encode_name,))
    return keys


def _counted(key: KeyPath, value: object) -> object:
    """A time or a size that was written with its unit, as a number. What is none stays text: a wrong type."""
    if isinstance(value, str) and isinstance(_schema_of(key), msgspec.inspect.IntType | msgspec.inspect.FloatType):
        with contextlib.suppress(ValueError):
            match unit_of(key[-1]):
                case Unit.SECONDS:
                    return seconds(value)
                case Unit.BYTES:
                    return size(value)
                case None:
                    pass
    return value


def _accepts(key: KeyPath, value: Value, problems: list[Problem]) -> bool:
    """Whether the key exists and the value is of its type; a problem says what is wrong."""
    if (expected := _unusable((*key, value.value))) is not None:
        problems.append(Problem(value.source, value.line, ".".join(key), "", expected))
        return False
    schema: msgspec.inspect.Type | None = _whole()
    for depth, name in enumerate(key):
        below = _below(schema, name)
        if below is None:
            here = ".".join(key[: depth + 1])
            if own := for_all_only(key[: depth + 1]):
                expected = own
            elif isinstance(schema, msgspec.inspect.StructType):
                beside = [".".join((*key[:depth], field.encode_name)) for field in schema.fields]
                everywhere = [".".join(known) for known in (*scalar_keys(), *((name,) for name in NAMED_TABLES))]
                expected = "unknown key" + (
                    suggestion(here, beside) or _misplaced(key[: depth + 1], value) or suggestion(here, everywhere)
                )
            elif isinstance(schema, msgspec.inspect.ListType):
                expected = f"{'.'.join(key[:depth])} is a list: write {key[depth - 1]} = [{{ ... }}]"
            else:
                expected = f"{'.'.join(key[:depth])} is no table"
            problems.append(Problem(value.source, value.line, here, "", expected))
            return False
        schema = below
    tree: object = value.value
    for name in reversed(key):
        tree = {name: tree}
    try:
        msgspec.convert(tree, Config)
    except msgspec.ValidationError as exc:
        if "missing required field" in str(exc) and _depth_of(exc) < len(key):
            return True  # another key of the table is missing: checked when all values are together
        expected = without_secrets(_expected(key, exc), value) + _misplaced(key, value)  # msgspec may quote the value
        problems.append(
            Problem(value.source, value.line, ".".join(key), shown(key, value.value, secret=value.secret), expected)
        )
        return False
    return True


def _unusable(value: object) -> str | None:
    """What is wrong with a value that no key can use; None where nothing is. Tables and lists are searched."""
    if isinstance(value, str):
        if "\0" in value:
            return "expected text without NUL characters"  # opening a file of such a name raises ValueError
        if _SURROGATE.search(value):
            return "expected text in UTF-8"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "expected a number of 64 bits at most"  # Python refuses to print one of thousands of digits
    parts: Iterable[object] = ()
    if isinstance(value, dict):
        parts = chain(value.keys(), value.values())
    elif isinstance(value, list | tuple):
        parts = value
    return next(filter(None, map(_unusable, parts)), None)


def _depth_of(exc: msgspec.ValidationError) -> int:
    """How many tables and lists are around the place of an error."""
    return len(re.findall(r"\.\w+|\[\.\.\.\]", str(exc).rpartition(" - at `$")[2]))


def _misplaced(key: KeyPath, value: Value) -> str:
    """Advice about a key that is in a wrong table of a file."""
    known = {field.encode_name for field in msgspec.structs.fields(Config)}
    if value.line is None or len(key) < 2 or key[-1] not in known:
        return ""
    if not isinstance(_schema_of(key), msgspec.inspect.StructType | None):
        return ""  # its table has such a key, too: the value is wrong, not the place
    if (key[-1],) in scalar_keys():
        return f'; "{key[-1]}" belongs to no table: move it above the first [table]'
    return f'; "{key[-1]}" is a table of its own: write [{key[-1]}]'


def _expected(key: KeyPath, exc: msgspec.ValidationError) -> str:
    kind = _schema_of(key)
    if isinstance(kind, msgspec.inspect.LiteralType):
        return f"expected one of {_choices(kind)}"
    text = str(exc).partition(" - at `$")[0]
    if " matching regex " in text:
        return _of_form(key)
    item = kind.item_type if isinstance(kind, msgspec.inspect.ListType) else None
    if isinstance(item, msgspec.inspect.LiteralType) and text.startswith("Invalid enum value"):
        return f"expected any of {_choices(item)}"
    if text.startswith("Expected `") and (unit := unit_of(key[-1])) is not None:
        return EXPECTED[unit]
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown is not None and isinstance(kind, msgspec.inspect.ListType):
        kind = kind.item_type
    if unknown is not None and isinstance(kind, msgspec.inspect.StructType):
        return f'unknown key "{unknown[1]}"{suggestion(unknown[1], [field.encode_name for field in kind.fields])}'
    return re.sub("`([a-z |]+)`", _in_words, text[:1].lower() + text[1:])


def _of_form(key: KeyPath) -> str:
    """What a text that has to match a pattern is to be, in the words (`extra`) beside the pattern in the model."""
    table = _schema_of(key[:-1])
    assert isinstance(table, msgspec.inspect.StructType)
    kind = next(field.type for field in table.fields if field.encode_name == key[-1])
    assert isinstance(kind, msgspec.inspect.Metadata)
    assert kind.extra is not None
    return f"expected {kind.extra['expected']}"


def _choices(kind: msgspec.inspect.LiteralType) -> str:
    return ", ".join(f'"{choice}"' for choice in kind.values)


def _in_words(types: re.Match[str]) -> str:
    """Types as a person calls them: "a list" for "`array`"."""
    names = [name for name in types[1].split(" | ") if name != "null"]
    return " or ".join(_TYPES[name] for name in names) if all(name in _TYPES for name in names) else types[0]


@cache
def _whole() -> msgspec.inspect.Type:
    """The model. Made once: for each value, it would cost five seconds of a reload of 500 routes, in the parent."""
    return msgspec.inspect.type_info(Config)


def _schema_of(key: KeyPath) -> msgspec.inspect.Type | None:
    schema: msgspec.inspect.Type | None = _whole()
    for name in key:
        schema = _below(schema, name)
    return schema


def _below(schema: msgspec.inspect.Type | None, name: str) -> msgspec.inspect.Type | None:
    """The type of the value called `name` in a table of a type; None where it has none."""
    found: msgspec.inspect.Type | None = None
    if isinstance(schema, msgspec.inspect.StructType):
        found = next((field.type for field in schema.fields if field.encode_name == name), None)
    elif isinstance(schema, msgspec.inspect.DictType):
        found = schema.value_type
    while isinstance(found, msgspec.inspect.Metadata):  # what Annotated says beside the type
        found = found.type
    if isinstance(found, msgspec.inspect.UnionType):  # a table that may be left out
        found = next((kind for kind in found.types if isinstance(kind, msgspec.inspect.StructType)), found)
    return found
