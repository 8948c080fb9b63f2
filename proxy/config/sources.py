"""Where settings come from: flags over environment over file over defaults; and every problem with them, at once.

A problem names its source, the line where it can be had, the key, the value, and what was expected.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from proxy.config.model import Config, RouteConfig, UpstreamConfig
from proxy.config.rules import rule_problems, without_password

PREFIX: Final = "ONEHOP_"
#: What Kubernetes sets in every pod beside a service called onehop, or onehop-something; and Docker's links before it.
_INJECTED: Final = re.compile(r"ONEHOP_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)\w*|PORT_[0-9]+_(?:TCP|UDP|SCTP)\w*)")
_INJECTED_VALUE: Final = re.compile(r"(?:tcp|udp|sctp)://.*")  # of ONEHOP_PORT, which a person may have meant
_IMPLIED: Final = "default"  # the name of the upstream and the route that --upstream makes
_ONE_SERVICE: Final = ("--upstream", PREFIX + "UPSTREAM")

Path_ = tuple[str, ...]


class Problem(NamedTuple):
    """One thing wrong with the configuration, as a person must read it."""

    source: str
    line: int | None
    key: str
    value: str
    expected: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        said = f"{self.key} = {self.value}" if self.key and self.value else self.key
        return ": ".join(part for part in (where, said, self.expected) if part)


class Loaded(NamedTuple):
    """A configuration, or what is wrong with it. `sources` says of each key that was set, by whom."""

    config: Config | None
    problems: list[Problem]
    sources: dict[str, str]


class _Value(NamedTuple):
    value: Any
    source: str
    line: int | None = None

    @property
    def origin(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


def load(
    path: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    settings: Sequence[str] = (),
) -> Loaded:
    """Read every source, and check the result. Without `path`, `ONEHOP_CONFIG` names the file; else there is none.

    `flags` are values by dotted key, `settings` are the words of `--set key=value`.
    """
    problems: list[Problem] = []
    values: dict[Path_, _Value] = {}
    environ = {name: text for name, text in environ.items() if text}  # compose files set what is unset to nothing
    if path is None and environ.get(PREFIX + "CONFIG"):
        path = Path(environ[PREFIX + "CONFIG"])
    if path is not None:
        values |= _from_file(path, problems)
    values |= _from_environment(environ, problems)
    values |= {tuple(key.split(".")): _Value(value, _flag(key)) for key, value in (flags or {}).items()}
    values |= _from_settings(settings, problems)
    _imply(values)
    sources = {".".join(key): value.origin for key, value in values.items()}
    config = _build(values, problems)
    wrong = [problem.key for problem in problems]
    for key, value, expected in rule_problems(config):
        if not any(_follows(".".join(key), earlier) for earlier in wrong):
            problems.append(_problem(_nearest(values, key), ".".join(key), value, expected))
    return Loaded(None if problems else config, problems, sources)


def _follows(key: str, earlier: str) -> bool:
    """Whether a finding may only be the consequence of an earlier problem, and telling it would mislead."""
    if key in ("upstreams", "routes") or (key.startswith("routes.") and key.endswith(".upstream")):
        # What is missed here may be what was wrong there, or in a file that cannot be read.
        return not earlier or earlier.startswith(("upstream", "route", "ONEHOP_UPSTREAM"))
    return key == earlier or earlier.startswith(f"{key}.") or key.startswith(f"{earlier}.")


def _flag(key: str) -> str:
    return "--upstream" if key.startswith("upstreams.") else f"--{key.replace('_', '-')}"


def _problem(source: _Value | None, key: str, value: str, expected: str) -> Problem:
    return Problem(source.source if source else "", source.line if source else None, key, value, expected)


# -- sources -----------------------------------------------------------------------------------------------------------


def _from_file(path: Path, problems: list[Problem]) -> dict[Path_, _Value]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        tree = tomllib.loads(text)
    except OSError as exc:
        problems.append(Problem(str(path), None, "", "", f"cannot be read: {exc.strerror}"))
    except UnicodeDecodeError as exc:
        problems.append(Problem(str(path), None, "", "", f"is not UTF-8 (byte {exc.start})"))
    except tomllib.TOMLDecodeError as exc:
        found = re.search(r"line (\d+)", str(exc))
        problems.append(Problem(str(path), int(found[1]) if found else None, "", "", f"is not TOML: {exc}"))
    else:
        lines = _lines_of_keys(text)
        return {key: _Value(value, str(path), _line_of(lines, key)) for key, value in _leaves(tree)}
    return {}


def _leaves(tree: Mapping[str, Any], above: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every value of a TOML document with its key; a table without keys is a value too."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


_TABLE: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_\-.\"' ]+?)\s*=")


def _lines_of_keys(text: str) -> dict[Path_, int]:
    """The line of each key and table: a plain reading, good enough to point at; TOML itself is tomllib's business."""
    lines: dict[Path_, int] = {}
    table: Path_ = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.fullmatch(line):
            table = _dotted(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_dotted(key[1])), number)
    return lines


def _dotted(text: str) -> Path_:
    return tuple(part.strip(" \"'") for part in text.split("."))


def _line_of(lines: Mapping[Path_, int], key: Path_) -> int | None:
    return next((lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in lines), None)


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> dict[Path_, _Value]:
    known = {PREFIX + "_".join(key).upper(): key for key in _scalar_keys()}
    values: dict[Path_, _Value] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name == PREFIX + "CONFIG":
            continue
        if name == PREFIX + "UPSTREAM":
            values["upstreams", _IMPLIED, "urls"] = _Value(_listed(text), name)
        elif name in known:
            values[known[name]] = _Value(_parsed(known[name], text), name)
        elif not (_INJECTED.fullmatch(name) or (name.endswith("_PORT") and _INJECTED_VALUE.fullmatch(text))):
            expected = "no such setting" + _meant(name, [*known, PREFIX + "UPSTREAM", PREFIX + "CONFIG"])
            problems.append(Problem("environment", None, name, "", expected))
    return values


def _from_settings(settings: Sequence[str], problems: list[Problem]) -> dict[Path_, _Value]:
    values: dict[Path_, _Value] = {}
    for word in settings:
        name, equals, text = word.partition("=")
        if not equals:
            problems.append(Problem("--set", None, word, "", "expected key=value"))
            continue
        key = tuple(name.strip().split("."))
        values[key] = _Value(_parsed(key, text.strip()), "--set")
    return values


def _scalar_keys() -> list[Path_]:
    """Every key that has one place: not those inside named tables."""
    keys: list[Path_] = []
    for field in msgspec.structs.fields(Config):
        if field.encode_name in ("upstreams", "routes"):
            continue
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            keys += [(field.encode_name, inner.encode_name) for inner in msgspec.structs.fields(field.type)]
        else:
            keys.append((field.encode_name,))
    return keys


def _parsed(key: Path_, text: str) -> object:
    """Text from a shell as a TOML value, where the key's type wants one; what is none stays text, and fails by type."""
    kind = _kind(key)
    if kind == "str":
        return text
    if kind == "list" and not text.startswith("["):
        return _listed(text)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _kind(key: Path_) -> str:
    schema = _schema_of(key)
    if isinstance(schema, msgspec.inspect.ListType):
        return "list"
    if isinstance(schema, msgspec.inspect.StrType | msgspec.inspect.LiteralType | msgspec.inspect.UnionType):
        return "str"
    return "other"


def _schema_of(key: Path_) -> msgspec.inspect.Type | None:
    schema: msgspec.inspect.Type | None = msgspec.inspect.type_info(Config)
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
    return found


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _imply(values: dict[Path_, _Value]) -> None:
    """One address may be given without brackets; one upstream needs no route."""
    listen = values.get(("listen",))
    if listen is not None and isinstance(listen.value, str):
        values["listen",] = listen._replace(value=[listen.value])
    upstreams = list(dict.fromkeys(key[1] for key in values if key[0] == "upstreams" and len(key) > 1))
    if any(key[0] == "routes" for key in values):
        return
    if len(upstreams) == 1:
        values["routes", _IMPLIED, "upstream"] = _Value(upstreams[0], "implied by the only upstream")
    elif (given := values.get(("upstreams", _IMPLIED, "urls"))) is not None and given.source in _ONE_SERVICE:
        # Whoever names one service on the command line wants to reach it, whatever else the file knows.
        values["routes", _IMPLIED, "upstream"] = _Value(_IMPLIED, f"implied by {given.source}")


# -- checking ----------------------------------------------------------------------------------------------------------


def _build(values: Mapping[Path_, _Value], problems: list[Problem]) -> Config:
    """Put the values together. Each is converted by itself, and what is wrong is left out, so that one mistake does
    not hide the next."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        if _accepts(key, value, problems):
            node = tree
            for name in key[:-1]:
                node = node.setdefault(name, {})
            node[key[-1]] = value.value
    for name, kind, needed in (("upstreams", UpstreamConfig, "urls"), ("routes", RouteConfig, "upstream")):
        for entry in [entry for entry, fields in tree.get(name, {}).items() if needed not in fields]:
            del tree[name][entry]
            key = (name, entry, needed)
            if key not in values:
                expected = f"{kind.__name__.removesuffix('Config').lower()} needs {needed!r}"
                problems.append(_problem(_nearest(values, key[:2]), ".".join(key[:2]), "", expected))
    return msgspec.convert(tree, Config)


def _accepts(key: Path_, value: _Value, problems: list[Problem]) -> bool:
    """Whether the key exists and the value is of its type; a problem says what is wrong."""
    schema: msgspec.inspect.Type | None = msgspec.inspect.type_info(Config)
    for depth, name in enumerate(key):
        below = _below(schema, name)
        if below is None:
            here = ".".join(key[: depth + 1])
            if isinstance(schema, msgspec.inspect.StructType):
                beside = [".".join((*key[:depth], field.encode_name)) for field in schema.fields]
                expected = "unknown key" + (_meant(here, beside) or _meant(here, [".".join(k) for k in _scalar_keys()]))
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
        if "missing required field" in str(exc):
            return True  # of a table's other key: looked for when all values are together
        problems.append(Problem(value.source, value.line, ".".join(key), shown(key, value.value), _expected(key, exc)))
        return False
    return True


def _expected(key: Path_, exc: msgspec.ValidationError) -> str:
    kind = _schema_of(key)
    if isinstance(kind, msgspec.inspect.LiteralType):
        return "expected one of " + ", ".join(f'"{choice}"' for choice in kind.values)
    text = str(exc).partition(" - at `$")[0]
    if text.startswith("Expected `") and key[-1].endswith("_s"):
        return "expected a number of seconds"
    if text.startswith("Expected `") and key[-1].endswith("_bytes"):
        return "expected a number of bytes"
    return text[:1].lower() + text[1:]


def shown(key: Path_, value: object) -> str:
    """A value as a person would write it; what a route puts into fields may be a secret, and is not shown."""
    if value and key[0] == "routes" and len(key) > 2 and key[2].endswith("_fields") and key[3:4] != ("remove",):
        return "•••"
    return without_password(_as_toml(value))


def _as_toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool) else repr(value)


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f', did you mean "{near[0]}"?' if near else ""


def _nearest(values: Mapping[Path_, _Value], key: Path_) -> _Value | None:
    """Whoever set this key, or the nearest thing around it."""
    for end in range(len(key), 0, -1):
        for known, value in values.items():
            if known[:end] == key[:end]:
                return value
    return None


def effective(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Every key of a valid configuration that has a value: name, value, and where it comes from."""
    assert loaded.config is not None
    rows = []
    for key, value in _leaves(msgspec.to_builtins(loaded.config)):
        if value is not None:
            name = ".".join(key)
            rows.append((name, shown(key, value), loaded.sources.get(name, "default")))
    return rows
