"""How often a request has passed through this instance, by what the instance stated each time.

With `via = true` that is a member of `Via` (RFC 9110 §7.6.3). With `via = false` it is a member of `CDN-Loop`
(RFC 8586), the request field that exists for this alone: no gateway may remove it, services pass it on like any field
that they do not know, and none changes its answer because of it. Either has this instance's name, with a random part. A
client that repeats the name, which it has read in a response, only has that one request refused.
"""

import re
from typing import Final

from proxy.http1.fields import FieldLine, Index, members

_MOST_BYTES: Final = 4096
_COMMENT_PARTS: Final = re.compile(rb"\\.|[()]|[^()\\]++|\\", re.DOTALL)


def via(pseudonym: bytes, http_version: bytes) -> FieldLine:
    """Our member of `Via`: it says the version that was received (RFC 9110 §7.6.3)."""
    return (b"Via", b"%b %b" % (http_version, pseudonym))


def cdn_loop(pseudonym: bytes) -> FieldLine:
    """Our member of `CDN-Loop` (RFC 8586 §2)."""
    return (b"CDN-Loop", pseudonym)


def passes(known: Index, pseudonym: bytes) -> int:
    """How many members of a message's `Via` and `CDN-Loop` name this instance."""
    count = 0
    if b"via" in known:
        for member in members(map(_without_comments, known[b"via"])):
            words = member.split(None, 2)
            count += len(words) > 1 and words[1] == pseudonym
    if b"cdn-loop" in known:
        for member in members(known[b"cdn-loop"]):
            count += member.partition(b";")[0].rstrip(b" \t") == pseudonym
    return count


def is_loop(known: Index, pseudonym: bytes, most: int) -> bool:
    """Whether a message has passed this instance `most` times. Mostly this costs one search: each pass has left the
    name, so where it occurs less often, nothing needs to be parsed. Where it occurs so often, and the fields are longer
    than `most` passes and a hundred other gateways make them, the message is an attack, and counts as a loop."""
    values = [*known.get(b"via", ()), *known.get(b"cdn-loop", ())]
    if sum(value.count(pseudonym) for value in values) < most:
        return False
    return sum(map(len, values)) > _MOST_BYTES + most * 2 * len(pseudonym) or passes(known, pseudonym) >= most


def _without_comments(value: bytes) -> bytes:
    """A field value without its comments (RFC 9110 §5.6.5), in which a comma separates nothing. One that does not end
    is kept as text: else it would hide what follows."""
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
