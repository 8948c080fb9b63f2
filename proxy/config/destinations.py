"""Where a route leads: to an upstream, to several, or to an answer of our own; and what is wrong with that."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from proxy.config.field_rules import VALUE
from proxy.config.files import content, type_of
from proxy.config.findings import Finding
from proxy.config.model import Config
from proxy.config.problem import suggestion
from proxy.config.route_model import RedirectConfig, RespondConfig, RouteConfig
from proxy.policy.answers import PLACEHOLDERS, FixedAnswer, Redirect
from proxy.policy.route import Mirror

#: The keys of which a route has one.
KEYS: Final = ("upstream", "split", "redirect", "respond")
_STATUSES: Final = (301, 302, 303, 307, 308)
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
#: A scheme, then a host in which a client chooses no more than its own Host, then a path, a query, or the end.
_ABSOLUTE: Final = re.compile(
    r"(?i:https?)://(?:[A-Za-z0-9._:\[\]-]|\{host\}|\{authority\})+(?:[/?#].*|\{path\}.*|\{target\}.*)?"
)
_RELATIVE: Final = re.compile(r"(?:/(?!/)|\{path\}|\{target\}).*")


def upstreams_of(route: RouteConfig) -> list[str]:
    """The names of the upstreams to which a route leads."""
    return [share.upstream for share in route.split] or ([route.upstream] if route.upstream else [])


def answers_itself(route: RouteConfig) -> bool:
    """Whether a route needs no upstream."""
    return route.redirect is not msgspec.UNSET or route.respond is not msgspec.UNSET


def where(config: Config, route: RouteConfig) -> str:
    """Where a route leads, in words."""
    if route.redirect is not msgspec.UNSET:
        return f"{route.redirect.status} to {route.redirect.to}"
    if route.respond is not msgspec.UNSET:
        return f"answer {route.respond.status}"
    if route.split:
        return ", ".join(f"{share.upstream} (weight {share.weight})" for share in route.split)
    return ", ".join(each.url for each in config.upstreams[route.upstream].listed())


def answer_of(config: Config, route: RouteConfig) -> Redirect | FixedAnswer | None:
    """What a route answers itself, if it does."""
    if route.redirect is not msgspec.UNSET:
        return Redirect(_parts(route.redirect.to), route.redirect.status)
    if route.respond is not msgspec.UNSET:
        respond = route.respond
        body = content(config, respond.file) if respond.file else respond.body.encode()
        kind = respond.content_type.encode("latin-1") or type_of(respond.file)
        return FixedAnswer(respond.status, kind, body)
    return None


def mirror_of(config: Config, route: RouteConfig) -> Mirror | None:
    """Where copies of a route's requests go."""
    if route.mirror is msgspec.UNSET:
        return None
    host = config.upstreams[route.mirror.upstream].host or ""
    return Mirror(route.mirror.upstream, round(route.mirror.percent * 10_000), host.encode("ascii"))


def destination_problems(key: tuple[str, ...], config: Config, route: RouteConfig) -> Iterator[Finding]:
    """What is wrong with where a route leads."""
    given = [name for name in KEYS if getattr(route, name) not in ("", [], msgspec.UNSET)]
    if not given:
        yield key, "", f"route needs 'upstream', or one of {', '.join(KEYS[1:])}"
    if len(given) > 1:
        yield (*key, given[1]), "", f"a route has one of {', '.join(KEYS)}: this one has {given[0]}, too"
    for name in upstreams_of(route):
        if name not in config.upstreams:
            place = (*key, "split" if route.split else "upstream")
            yield place, f'"{name}"', f"no such upstream{suggestion(name, config.upstreams)}"
    if route.split and not any(share.weight for share in route.split):
        yield (*key, "split"), "", "needs a weight that is not 0"
    if route.mirror is not msgspec.UNSET:
        name = route.mirror.upstream
        if name not in config.upstreams:
            meant = suggestion(name, config.upstreams) if name else ""
            yield (*key, "mirror", "upstream"), f'"{name}"', f"no such upstream{meant}"
        elif answers_itself(route):
            yield (*key, "mirror"), "", "does nothing: the route answers itself, and its requests go nowhere"
    if route.redirect is not msgspec.UNSET:
        yield from _redirect_problems((*key, "redirect"), route.redirect)
    if route.respond is not msgspec.UNSET:
        yield from _respond_problems((*key, "respond"), route.respond)


def _redirect_problems(key: tuple[str, ...], redirect: RedirectConfig) -> Iterator[Finding]:
    to = redirect.to
    if redirect.status not in _STATUSES:
        yield (*key, "status"), str(redirect.status), f"expected one of {', '.join(map(str, _STATUSES))}"
    unknown = next((name for name in _PLACEHOLDER.findall(to) if name not in PLACEHOLDERS), None)
    if not to:
        yield key, "", 'needs a target: to = "https://{host}{target}"'
    elif unknown is not None:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        yield (*key, "to"), f'"{to}"', f"has no placeholder {{{unknown}}}: there are {known}"
    elif not re.fullmatch(r"[!-~]*", to):
        yield (*key, "to"), f'"{to}"', "expected visible ASCII; other characters as %XX"
    elif not _ABSOLUTE.fullmatch(to) and not _RELATIVE.fullmatch(to):
        expected = (
            "expected http://, https:// or / first, and no placeholder but {host} or {authority} before the path: "
            "else a client could choose where others are sent"
        )
        yield (*key, "to"), f'"{to}"', expected


def _respond_problems(key: tuple[str, ...], respond: RespondConfig) -> Iterator[Finding]:
    if not 200 <= respond.status <= 599:
        yield (*key, "status"), str(respond.status), "expected a status from 200 to 599"
    if respond.body and respond.file:
        yield (*key, "file"), f'"{respond.file}"', "leave out body or file: an answer has one of them"
    if respond.status in (204, 304) and (respond.body or respond.file):
        yield (*key, "status"), str(respond.status), "has no body (RFC 9110 §6.4.1): leave out body and file"
    kind = respond.content_type
    if kind and (not VALUE.fullmatch(kind) or not re.fullmatch(r"[^/\s;]+/[^/\s;]+(?:\s*;.*)?", kind)):
        yield (*key, "content_type"), f'"{kind}"', "expected a media type such as text/html"


def _parts(to: str) -> tuple[bytes | str, ...]:
    """Texts, and the names of placeholders between them."""
    pieces = _PLACEHOLDER.split(to)
    return tuple(piece if number % 2 else piece.encode("ascii") for number, piece in enumerate(pieces))
