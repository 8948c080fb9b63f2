"""What a request asks of this hop, read before anything is stripped: all of it may stand in fields that end here."""

import re
from typing import Final

import msgspec

from proxy.http1.fields import Index, members, tokens
from proxy.http1.message import NO_BODY, BodyFraming, FixedLength, RequestHead
from proxy.http1.parsing.strictness import asks_for_trailers, expects_continue, max_forwards
from proxy.http1.target import RequestTarget

_METHODS_WITH_LENGTH: Final = frozenset({b"POST", b"PUT", b"PATCH"})
_EMPTY: Final = FixedLength(0)
_COMMENT_PARTS: Final = re.compile(rb"\\.|[()]|[^()\\]++|\\", re.DOTALL)


class Intent(msgspec.Struct, frozen=True):
    """What was read out of a request's fields before they were stripped, and goes on."""

    authority: bytes  # whom the client asked for; empty where a 1.0 client did not say
    host: bytes  # what Host says to the upstream
    framing: BodyFraming
    request_id: bytes
    expects_continue: bool = False
    upgrade: bytes | None = None  # the protocol, from the allow-list
    wants_trailers: bool = False
    max_forwards: int | None = None  # already counted down


def read_intent(
    head: RequestHead,
    target: RequestTarget,
    framing: BodyFraming,
    *,
    host: bytes,
    request_id: bytes,
    upgrades: frozenset[bytes],
) -> Intent:
    """Read what a screened request asks for. `framing` is how its body came, `upgrades` are lower-case protocols.

    Raises BadRequest (400 for a bad `Max-Forwards`, 417 for an expectation that nobody can meet).
    """
    known = head.known
    has_body = framing is not NO_BODY and framing != _EMPTY
    if framing is NO_BODY and head.method in _METHODS_WITH_LENGTH:
        framing = _EMPTY  # RFC 9110 §8.6: these methods anticipate content, so say that there is none
    hops_left = max_forwards(head) if b"max-forwards" in known else None
    return Intent(
        target.authority,
        host,
        framing,
        request_id,
        b"expect" in known and expects_continue(head) and has_body,
        _upgrade(head, upgrades) if b"upgrade" in known and not has_body else None,
        head.http_version >= b"1.1" and asks_for_trailers(known),  # to a 1.0 client, none could go on
        None if hops_left is None else hops_left - 1,
    )


def went_through(known: Index, pseudonym: bytes) -> bool:
    """Whether a message has been through the hop of that name before, by its `Via` (RFC 9110 §7.6.3)."""
    if b"via" not in known:
        return False
    values = map(_without_comments, known[b"via"])
    received_by = [words[1] for member in members(values) if len(words := member.split(None, 2)) > 1]
    return pseudonym in received_by


def _without_comments(value: bytes) -> bytes:
    """A field value without its comments (RFC 9110 §5.6.5), in which a comma separates nothing. One that does not end
    is none: it would hide what follows."""
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    depth = 0
    for part in _COMMENT_PARTS.findall(value):
        if part == b"(":
            depth += 1
        elif part == b")" and depth:
            depth -= 1
        elif not depth:
            kept.append(part)
    return value if depth else b"".join(kept)


def _upgrade(head: RequestHead, upgrades: frozenset[bytes]) -> bytes | None:
    """The protocol to switch to, if the client asks for one of these, as RFC 9110 §7.8 says to ask."""
    if head.http_version < b"1.1" or b"upgrade" not in head.options:
        return None
    wanted = [token for token in tokens(head.known[b"upgrade"]) if token in upgrades]
    return wanted[0] if wanted else None
