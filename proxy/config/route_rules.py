"""What types cannot say about a route."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from proxy.config.findings import Finding
from proxy.config.model import Config
from proxy.config.problem import suggestion
from proxy.config.route_model import FieldRulesConfig
from proxy.config.setting_rules import number_problems, upgrade_problems
from proxy.http1.field_names import Trait, canonical_name, names
from proxy.http1.fields import TOKEN
from proxy.http1.masking import MASK
from proxy.policy.paths import normalised_path

_HOST: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]|")
#: What others take for a pattern: "/x/*", "/x*", "/a/*/b", "/u/{id}".
_WILDCARD: Final = re.compile(r"\*+\Z|(?<=/)\*+(?=/)|\{[^/]*\}|\.\*")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NOT_A_ROUTES: Final = names(Trait.HOP_BY_HOP | Trait.FRAMING | Trait.AUTHORITY)
_STATED: Final = names(Trait.STATED_IN_REQUEST)
#: What `remove` cannot change: a client's own is dropped or restated before a route sees it.
_STATED_ANYWAY: Final = names(Trait.STATED_ABOUT_CLIENT) | {b"expect", b"max-forwards"}
_STATED_IN_RESPONSE: Final = names(Trait.STATED_IN_RESPONSE)


def route_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the routes of a configuration whose types are right."""
    if config.upstreams and not config.routes:
        yield ("routes",), "", "several upstreams need routes: a [routes.NAME] table for each"
    taken: dict[tuple[str, bytes], str] = {}
    for name, route in config.routes.items():
        key = ("routes", name)
        if route.upstream not in config.upstreams:
            meant = suggestion(route.upstream, config.upstreams)
            yield (*key, "upstream"), f'"{route.upstream}"', f"no such upstream{meant}"
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
        place = (route.host.lower(), normalised_path(route.path.encode("latin-1", "replace")))
        if place in taken:
            yield key, "", f"serves the same host and path as routes.{taken[place]}"
        taken[place] = name
        for table, settings in (("timeouts", route.timeouts), ("limits", route.limits)):
            yield from number_problems((*key, table), settings)
        if route.upgrades is not msgspec.UNSET:
            yield from upgrade_problems((*key, "upgrades"), route.upgrades)
        anyway = _STATED_ANYWAY | {b"forwarded"} if config.forwarded else _STATED_ANYWAY
        yield from _field_rules((*key, "request_fields"), route.request_fields, _STATED, anyway)
        yield from _field_rules((*key, "response_fields"), route.response_fields, _STATED_IN_RESPONSE, frozenset())


def _field_rules(
    key: tuple[str, ...], rules: FieldRulesConfig, stated: frozenset[bytes], stated_anyway: frozenset[bytes]
) -> Iterator[Finding]:
    """What is wrong with a route's `put` and `remove`. `stated` cannot be put, `stated_anyway` not removed."""
    taken: dict[str, str] = {}
    for name in (*rules.put, *rules.remove):
        where = (*key, "put", name) if name in rules.put else (*key, "remove")
        # Services that read CGI's variables take `_` for `-`: X_Forwarded_For would speak against ours.
        canonical = canonical_name(name.encode("latin-1", "replace"))
        if not TOKEN.fullmatch(name.encode("latin-1", "replace")):
            yield where, f'"{name}"', "expected a field name"
        elif "*" in name:  # a token by the letter, but it is meant as a pattern
            yield where, f'"{name}"', "names have no wildcards: write each name by itself"
        elif canonical in _NOT_A_ROUTES:
            hint = "; to change Host, set upstreams.NAME.host" if canonical == b"host" else ""
            yield where, f'"{name}"', f"belongs to one hop, and is made anew for each{hint}"
        elif name in rules.put and canonical in stated:
            yield where, f'"{name}"', "is stated by this proxy itself"
        elif name not in rules.put and canonical in stated_anyway:
            expected = "leave this out: onehop states its own, whatever the client says"
            yield where, f'"{name}"', expected
    for name, value in rules.put.items():
        if (first := taken.setdefault(name.lower(), name)) != name:
            yield (*key, "put", name), MASK, f"is put already, as {first}"
        # CVE-2023-25690: a line end in a value would begin another field, or another request.
        if not _VALUE.fullmatch(value):
            yield (*key, "put", name), MASK, "expected one line of Latin-1 text without control characters"
