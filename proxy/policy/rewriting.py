"""The target that a service is sent where its paths are not the client's, and the way back for paths in its responses.

In this order: a prefix is stripped, a pattern rewrites the path, a prefix is added. The query goes on untouched, and so
do the bytes of the path where nothing but a prefix changes. What services make of a path decides, not its bytes:
`/v1/../x` is no path under `/v1`, and where bytes behind a prefix would lead out of it (`/v1/a/../../v1/x`), they go on
without their dot segments. A rewritten path begins with one slash, whatever was captured: `//host` is another target.
"""

import re
from typing import Final, Protocol

import msgspec

from proxy.errors import ProtocolError
from proxy.http1.fields import Fields
from proxy.policy.decisions import Decisions, Outcome, Rule
from proxy.policy.paths import decoded, normalised_path

_TURNED_BACK: Final = Rule(Outcome.REPLACED, "path changed back to the client's (rewrite_location)")
_SET: Final = Rule(Outcome.SET, "with the client's path (rewrite_location)")
_LOCATIONS: Final = frozenset({b"location", b"content-location"})
_REFERENCE: Final = re.compile(rb"(?:((?i:https?:)?)//([^/?#]*))?(/[^?#]*)?([?#].*)?", re.DOTALL)  # RFC 3986 §4.1
_HOST_BEGINS: Final = re.compile(rb"\A[\\\t]")
_COOKIE_PATH: Final = re.compile(rb"(;[ \t]*path[ \t]*=[ \t]*)(/[^;]*)", re.IGNORECASE)


class Found(Protocol):
    """Where a pattern matches."""

    def group(self, number: int) -> bytes | None:
        """What a group has captured; 0 is all."""


class Pattern(Protocol):
    """A pattern whose cost is linear in the length of what it is shown: a client chooses that."""

    def search(self, path: bytes) -> Found | None:
        """The first match, if there is one."""


class Replacement(msgspec.Struct, frozen=True):
    """A path for every path that a pattern matches. `to` are texts, and the numbers of groups between them."""

    pattern: Pattern
    to: tuple[bytes | int, ...]

    def replaced(self, path: bytes) -> bytes:
        """The path in place of this one, or the same. The pattern sees it as routes are matched by it."""
        found = self.pattern.search(_settled(normalised_path(path)))
        if found is None:
            return path
        to = b"".join([part if isinstance(part, bytes) else found.group(part) or b"" for part in self.to])
        return _settled(normalised_path(to))


class Rewriting(msgspec.Struct, frozen=True):
    """How a route changes the path. Prefixes are normalised, without a slash at their end; empty ones do nothing."""

    strip: bytes = b""
    replacement: Replacement | None = None
    add: bytes = b""
    turn_back: bool = True  # also change paths in responses back to the client's

    def target(self, target: bytes) -> tuple[bytes, bool]:
        """The target in the place of one in origin-form, and whether the prefix was stripped.

        Raises ProtocolError where a malformed `%` makes a path mean something else once it is normalised.
        """
        if target[:1] != b"/":
            return target, False  # OPTIONS * asks about no path
        path, question, query = target.partition(b"?")
        whole = normalised_path(path)
        is_under = bool(self.strip) and (whole == self.strip or whole.startswith(self.strip + b"/"))
        rest = self._stripped(path, whole) if is_under else path
        if self.replacement is not None:
            rest = self.replacement.replaced(rest)
        if self.add:
            rest = self._added(rest)
        return rest + question + query, is_under

    def _stripped(self, path: bytes, whole: bytes) -> bytes:
        plain = whole[len(self.strip) :] or b"/"
        rest = b"/" + path[_end_of(self.strip, path) :].lstrip(b"/")
        return rest if normalised_path(rest) == plain else _settled(plain)

    def _added(self, path: bytes) -> bytes:
        plain = self.add + normalised_path(path)
        path = self.add + b"/" + path.lstrip(b"/")
        return path if normalised_path(path) == plain else _settled(plain)


def _settled(normalised: bytes) -> bytes:
    """A normalised path that takes the place of the client's bytes. Raises ProtocolError where it would change again:
    `/%%32e` is `/%2e` once it is normalised, and a service reads `/.`."""
    if normalised_path(normalised) != normalised:
        raise ProtocolError("malformed percent-encoding in a path that is rewritten")
    return normalised


def _end_of(prefix: bytes, path: bytes) -> int:
    """Where a normalised prefix ends in a path, in whatever spelling it stands there."""
    if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
        return len(prefix)
    wanted, end = prefix.split(b"/")[1:], 0
    kept: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        end += 1 + len(segment)
        name = decoded(segment)
        if name == b"..":
            del kept[-1:]
        elif name not in (b"", b"."):
            kept.append(name)
        if kept == wanted:
            break
    return end


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


class WayBack(msgspec.Struct, frozen=True):
    """How the paths of one response are the client's again: `inside` is the prefix that the service knows, `outside`
    the client's. `hosts` are the names by which a service may call itself, `authority` is the client's for it."""

    outside: bytes
    inside: bytes
    hosts: tuple[bytes, ...]
    authority: bytes

    def of_host(self, *hosts: bytes) -> "WayBack":
        """The same, for a service that goes by these names."""
        return WayBack(self.outside, self.inside, tuple(host.lower() for host in hosts), self.authority)

    def fields(self, lines: Fields, decisions: Decisions | None = None) -> Fields:
        """The lines of a response with `Location`, `Content-Location` and the paths of cookies turned back."""
        turned = []
        for line in lines:
            name, value = line[0].lower(), line[1]
            if name in _LOCATIONS:
                value = self.location(value)
            elif name == b"set-cookie":
                value = _COOKIE_PATH.sub(self._cookie_path, value)
            if value == line[1]:
                turned.append(line)
                continue
            turned.append((line[0], value))
            if decisions is not None:
                decisions.decide(line, _TURNED_BACK)
                decisions.decide(turned[-1], _SET)
        return turned

    def location(self, reference: bytes) -> bytes:
        """A reference as the client must follow it. One to another host, or relative to the request, stays as it is."""
        found = _REFERENCE.fullmatch(reference)
        if found is None:
            return reference
        scheme, host, path, rest = found.groups(b"")
        is_absolute = found[2] is not None
        if (is_absolute and host.lower() not in self.hosts) or not (path or is_absolute):
            return reference
        outside = self._outside(path or b"/")
        if outside is None:
            return reference
        if is_absolute and host.lower() == self.authority.lower():
            return scheme + b"//" + host + outside + rest
        # The client may not know the name that the service has for itself. One slash: two would begin a host, and
        # browsers take a backslash for a slash, and leave out tabs.
        return b"/" + _HOST_BEGINS.sub(_encoded, outside.lstrip(b"/"), count=1) + rest

    def _outside(self, path: bytes) -> bytes | None:
        """The client's path for one of the service's; None where the client has none."""
        plain = normalised_path(path)
        if plain != self.inside and not plain.startswith(self.inside + b"/"):
            return None
        wanted = self.outside + plain[len(self.inside) :] or b"/"
        if path.startswith(self.inside):
            outside = self.outside + path[len(self.inside) :]
            if normalised_path(outside) == wanted:
                return outside
        # Its dot segments would lead out of the prefix. With a malformed `%` among them, its meaning is unknown.
        return wanted if normalised_path(wanted) == wanted else None

    def _cookie_path(self, found: re.Match[bytes]) -> bytes:
        path = found[2].rstrip(b" \t")
        if (self.inside + b"/").startswith(path.rstrip(b"/") + b"/"):
            outside: bytes | None = self.outside or b"/"  # all of the service: `/v1` is a part of it, `/v1/` is not all
        else:
            outside = self._outside(path)
        return found[0] if outside is None else found[1] + outside
