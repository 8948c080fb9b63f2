"""Rules for the conditions of routes that types cannot express."""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.build import conditions
from proxy.config.field_rules import VALUE
from proxy.config.findings import Finding
from proxy.config.model import Config
from proxy.config.problem import suggestion
from proxy.config.route_model import RouteConfig
from proxy.http1.fields import TOKEN
from proxy.policy.conditions import keys_of
from proxy.policy.paths import normalised_path
from proxy.policy.route import Route

_HOST: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]|")
#: What other proxies read as a pattern: "/x/*", "/x*", "/a/*/b", "/u/{id}".
_WILDCARD: Final = re.compile(r"\*+\Z|(?<=/)\*+(?=/)|\{[^/]*\}|\.\*")


def match_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with which requests go to which route."""
    taken: dict[object, str] = {}
    for name, route in config.routes.items():
        key = ("routes", name)
        yield from _host_and_path(key, route)
        wrong = [*_conditions(key, route), *_listeners(key, route, config)]
        yield from wrong
        if not wrong:
            yield from _same_as_another(key, route, taken)


def _host_and_path(key: tuple[str, ...], route: RouteConfig) -> Iterator[Finding]:
    if not _HOST.fullmatch(route.host):
        yield (*key, "host"), f'"{route.host}"', 'expected a host name, "*.name", or "" for any'
    if not route.path.startswith("/"):
        yield (*key, "path"), f'"{route.path}"', 'expected a path that begins with "/"'
    elif "?" in route.path or "#" in route.path:
        yield (*key, "path"), f'"{route.path}"', 'expected a path alone, without "?" or "#"'
    elif not re.fullmatch(r"[!-~]*", route.path):
        yield (
            (*key, "path"),
            f'"{route.path}"',
            "expected visible ASCII; other characters as %XX, as in requests",
        )
    elif wildcard := _WILDCARD.search(route.path):
        prefix = route.path[: wildcard.start()].rstrip("/") or "/"
        expected = f'has no wildcards: "{prefix}" is a prefix, and serves everything below it'
        yield (*key, "path"), f'"{route.path}"', expected


def _listeners(key: tuple[str, ...], route: RouteConfig, config: Config) -> Iterator[Finding]:
    for name in route.listeners:
        if name not in config.listeners:
            yield (*key, "listeners"), f'"{name}"', f"no such listener{suggestion(name, config.listeners)}"


def _conditions(key: tuple[str, ...], route: RouteConfig) -> Iterator[Finding]:
    for method in route.methods:
        if not TOKEN.fullmatch(method.encode("latin-1", "replace")) or method == "*":
            yield (*key, "methods"), f'"{method}"', "expected a method such as GET; for any, leave methods out"
        elif method != method.upper():
            yield (*key, "methods"), f'"{method}"', f"methods are compared by case: {method.upper()}"
        elif method == "CONNECT":
            yield (*key, "methods"), f'"{method}"', "is not supported: no route serves it"
    taken: dict[str, str] = {}
    for name, value in route.headers.items():
        where = (*key, "headers", name)
        if not TOKEN.fullmatch(name.encode("latin-1", "replace")) or "*" in name:
            yield where, f'"{name}"', "expected a field name"
        elif (first := taken.setdefault(name.lower(), name)) != name:
            yield where, "", f"has a condition already, as {first}"
        if not VALUE.fullmatch(value) or value != value.strip(" \t"):
            yield where, "", "expected one line of Latin-1 text without control characters or white space around it"


def _same_as_another(key: tuple[str, ...], route: RouteConfig, taken: dict[object, str]) -> Iterator[Finding]:
    """Whether no order tells two routes apart: they have a host, a path and conditions in common."""
    asks = Route(
        "",
        "",
        methods=frozenset(method.encode() for method in route.methods),
        headers=conditions(route.headers),
        listeners=frozenset(route.listeners),
    )
    place = (route.host.lower(), normalised_path(route.path.encode("latin-1", "replace")))
    keys = [(place, combination) for combination in keys_of(asks)]
    other = next((taken[each] for each in keys if each in taken), None)
    if other is not None:
        what = "host, path and conditions" if route.methods or route.headers or route.listeners else "host and path"
        yield key, "", f"serves the same {what} as routes.{other}"
    taken |= dict.fromkeys(keys, key[1])
