"""What types cannot say about a configuration: rules between keys, and inside texts."""

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import msgspec

from proxy.config.build import client_tls, parse_listen
from proxy.config.model import Config, FieldRulesConfig, UpstreamConfig, UpstreamTlsConfig
from proxy.config.problem import suggestion
from proxy.config.units import Unit, unit_of
from proxy.http1.field_names import Trait, canonical_name, names
from proxy.http1.fields import PROTOCOL, TOKEN
from proxy.http1.masking import MASK, text_without_userinfo
from proxy.http1.target import is_authority
from proxy.policy.forwarded import networks
from proxy.policy.routing import normalised_path
from proxy.transport.tls import ClientTls, client_context
from proxy.upstream.origin import is_encodable, origin_of

#: Key, value as shown, what was expected.
Finding: TypeAlias = tuple[tuple[str, ...], str, str]

_HOST: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]|")
#: What others take for a pattern: "/x/*", "/x*", "/a/*/b", "/u/{id}".
_WILDCARD: Final = re.compile(r"\*+\Z|(?<=/)\*+(?=/)|\{[^/]*\}|\.\*")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NOT_A_ROUTES: Final = names(Trait.HOP_BY_HOP | Trait.FRAMING | Trait.AUTHORITY)
#: Protocols in which requests would go on unseen.
_HIDING_HTTP: Final = frozenset({"h2c", "h2", "http", "tls"})
#: Below this, browsers or WebSockets would be refused, or every message would be.
_LEAST: Final = {
    ("limits", "request_head_bytes"): 1024, ("limits", "response_head_bytes"): 1024, ("limits", "target_bytes"): 256,
    ("limits", "field_count"): 8, ("limits", "connections"): 1, ("limits", "nominations"): 1,
    ("limits", "interim_responses"): 1, ("limits", "passes"): 1, ("pool", "max_requests"): 1,
}  # fmt: skip
#: Above this, a number is a slip of the hand: a process cannot have as many descriptors, or memory would have no bound.
_MOST: Final = {
    "connections": 1_000_000, "request_body_bytes": 1 << 50, "replay_bytes": 1 << 30, "max_requests": 1_000_000_000,
    "request_minimum_bytes_per_s": 1 << 30,
}  # fmt: skip
_MOST_BYTES: Final = 16 << 20  # of what each connection may hold
_MOST_COUNT: Final = 100_000
_MOST_WORKERS: Final = 1024
_MAY_BE_ZERO: Final = frozenset(
    {"worker_stall_s", "client_queue_s", "request_total_s"}
)  # times of which 0 means: never, or at once
_YEAR_S: Final = 365 * 86_400  # event loops refuse timers that they cannot count in milliseconds
_STATED: Final = names(Trait.STATED_IN_REQUEST)
#: What `remove` cannot change: a client's own is dropped or restated before a route sees it.
_STATED_ANYWAY: Final = names(Trait.STATED_ABOUT_CLIENT) | {b"expect", b"max-forwards"}
_STATED_IN_RESPONSE: Final = names(Trait.STATED_IN_RESPONSE)


def rule_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with a configuration whose types are right."""
    for listen in config.listen:
        if (expected := _fault(parse_listen, listen)) is not None:
            yield ("listen",), f'"{listen}"', f"expected {expected}"
    if config.workers > _MOST_WORKERS:
        yield ("workers",), str(config.workers), f"expected {_MOST_WORKERS} or less"
    for group in ("timeouts", "limits", "pool"):
        yield from _numbers(group, getattr(config, group))
    limits = config.limits
    if _LEAST["limits", "request_head_bytes"] <= limits.request_head_bytes < limits.target_bytes:
        expected = "expected no more than limits.request_head_bytes, of which the target is a part"
        yield ("limits", "target_bytes"), str(limits.target_bytes), expected
    for network in config.trusted_networks:
        if (expected := _fault(lambda text: networks([text]), network)) is not None:
            yield ("trusted_networks",), f'"{network}"', f"expected a network such as 10.0.0.0/8: {expected}"
    for protocol in config.upgrades:
        if not PROTOCOL.fullmatch(protocol.encode("latin-1", "replace")):
            yield ("upgrades",), f'"{protocol}"', "expected a protocol: a name such as websocket, or SPDY/3.1"
        elif protocol.lower().partition("/")[0] in _HIDING_HTTP:
            hidden = "TLS" if protocol.lower().startswith("tls") else "HTTP/2"
            expected = f"{hidden} is not spoken here: behind {protocol}, nothing would be stripped"
            yield ("upgrades",), f'"{protocol}"', expected
    yield from _upstreams(config)
    yield from _routes(config)


def _numbers(group: str, settings: msgspec.Struct) -> Iterator[Finding]:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        least = _LEAST.get((group, name), 0)
        is_time = unit_of(name) is Unit.SECONDS
        if is_time and not value > 0 and not (value == 0 and name in _MAY_BE_ZERO):
            yield (group, name), f"{value:g}", "expected more than 0 seconds"
        elif is_time and value > _YEAR_S:
            yield (group, name), f"{value:g}", "expected a year of seconds at most"
        elif value < least:
            yield (group, name), str(value), f"expected {least} or more"
        elif not is_time and value > (most := _MOST.get(name, _MOST_BYTES if name.endswith("_bytes") else _MOST_COUNT)):
            yield (group, name), str(value), f"expected {most} or less"


def _upstreams(config: Config) -> Iterator[Finding]:
    if not config.upstreams:
        yield ("upstreams",), "", "no upstream: give --upstream URL, ONEHOP_UPSTREAM, or an [upstreams.NAME] table"
    for name, upstream in config.upstreams.items():
        for url in upstream.urls:
            if (expected := _fault(origin_of, url)) is not None:
                yield ("upstreams", name, "urls"), f'"{text_without_userinfo(url)}"', f"expected {expected}"
        if upstream.tls != UpstreamTlsConfig():
            yield from _upstream_tls(("upstreams", name, "tls"), upstream)
        if upstream.host is not None and not is_authority(upstream.host.encode("latin-1", "replace")):
            yield ("upstreams", name, "host"), f'"{upstream.host}"', "expected HOST or HOST:PORT"


def _upstream_tls(key: tuple[str, ...], upstream: UpstreamConfig) -> Iterator[Finding]:
    tls = upstream.tls
    if not any(url.lower().startswith("https:") for url in upstream.urls):
        yield key, "", "does nothing: none of the upstream's urls begins with https://"
    if not tls.verify and (tls.ca or tls.server_name):
        yield (*key, "verify"), "false", "leave it out: with it, ca and server_name would verify nothing"
    if not is_encodable(tls.server_name) or ":" in tls.server_name:
        yield (*key, "server_name"), f'"{tls.server_name}"', "expected a host name"
    if tls.key and not tls.certificate:
        yield (*key, "key"), f'"{tls.key}"', "belongs to a certificate: set certificate, too"
    if (expected := _file_problem(ClientTls(ca=tls.ca))) is not None:
        yield (*key, "ca"), f'"{tls.ca}"', f"expected a PEM file of certificates: {expected}"
    elif tls.certificate and (expected := _file_problem(client_tls(upstream))) is not None:
        yield (
            (*key, "certificate"),
            f'"{tls.certificate}"',
            f"expected a certificate and its key in PEM: {expected}",
        )


def _file_problem(settings: ClientTls) -> str | None:
    try:
        client_context(settings)
    except OSError as exc:  # an ssl.SSLError is one
        return exc.strerror or str(exc)
    return None


def _routes(config: Config) -> Iterator[Finding]:
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


def _fault(parse: Callable[[str], object], text: str) -> str | None:
    """The parser's error message, or None."""
    try:
        parse(text)
    except ValueError as exc:
        return str(exc)
    return None
