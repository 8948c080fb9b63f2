"""Given values before they become a `Config`: relative paths are completed, and empty tables reported."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.config.problem import KeyPath, Problem, Value

#: Keys whose texts are paths of files; `*` is any name.
_PATHS: Final[tuple[KeyPath, ...]] = (
    ("access_log_file",),
    ("admin", "token_file"),
    ("error_pages", "*"),
    ("listeners", "*", "tls", "certificates"),
    ("listeners", "*", "tls", "client_ca"),
    ("routes", "*", "access", "basic_auth"),
    ("routes", "*", "error_pages", "*"),
    ("routes", "*", "respond", "file"),
    ("upstreams", "*", "tls", "ca"),
    ("upstreams", "*", "tls", "certificate"),
    ("upstreams", "*", "tls", "key"),
)
#: Tables that have no effect while they are empty, though whoever wrote one expects some.
_NEEDED: Final[dict[KeyPath, str]] = {
    ("listeners", "*", "tls"): "needs certificates: without one, no TLS is spoken",
    ("routes", "*", "access"): "is empty: it would restrict nothing",
    ("routes", "*", "rate_limit"): "a rate limit needs requests_per_s",
}
#: The key that gives such a table its effect: without it, all other keys in it do nothing.
_ESSENTIAL: Final[dict[KeyPath, str]] = {
    ("listeners", "*", "tls"): "certificates",
    ("routes", "*", "rate_limit"): "requests_per_s",
}


def with_paths(values: Mapping[KeyPath, Value]) -> dict[KeyPath, Value]:
    """The values with relative paths made relative to the file that contains them, as those of `include` and
    `${file:...}` are. Paths in flags and variables are relative to the folder in which onehop is started."""
    return {
        key: given._replace(value=_placed(given.value, given)) if _is_one_of(key, _PATHS) else given
        for key, given in values.items()
    }


def empty_problems(values: Mapping[KeyPath, Value]) -> Iterator[Problem]:
    """What was written and would do nothing."""
    for key, given in values.items():
        for table, needed in _NEEDED.items():
            if given.value == {} and _fits(key, table):
                yield Problem(given.source, given.line, ".".join(key), "", needed)
        if (
            key[0] == "routes"
            and key[2:] == ("rate_limit", "requests_per_s")
            and given.value in (0, "0")
            and given.value is not False
        ):
            yield Problem(given.source, given.line, ".".join(key), str(given.value), "expected more than 0")


def tables_without_effect(values: Mapping[KeyPath, Value]) -> Iterator[Problem]:
    """Tables without the key that gives them an effect. Found here, because in the built configuration a table in which
    all keys have their defaults looks like none."""
    found = {key[: len(table)]: (table, given) for key, given in values.items() for table in _ESSENTIAL
             if len(key) == len(table) + 1 and _fits(key[:-1], table)}  # fmt: skip
    for key, (table, given) in found.items():
        if (*key, _ESSENTIAL[table]) not in values:
            yield Problem(given.source, given.line, ".".join(key), "", _NEEDED[table])


def _placed(value: Any, given: Value) -> Any:
    if isinstance(value, str):
        return str(given.folder / value) if value else value
    if isinstance(value, list):
        return [_placed(one, given) for one in value]
    if isinstance(value, dict):
        return {name: _placed(one, given) for name, one in value.items()}
    return value


def _is_one_of(key: KeyPath, patterns: tuple[KeyPath, ...]) -> bool:
    return any(_fits(key, pattern) for pattern in patterns)


def _fits(key: KeyPath, pattern: KeyPath) -> bool:
    return len(key) == len(pattern) and all(part in ("*", name) for part, name in zip(pattern, key, strict=True))
