"""Which field lines must not leave the connection they arrived on (RFC 9110 §7.6.1).

Only removes. What the next hop needs instead is stated by `policy.forwarding`, afterwards: so nothing that this
proxy states can be nominated away. The same function serves requests, 1xx responses, the 101, final responses and
trailers, in both directions.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from proxy.http1.fields import FieldLine, Fields

HOP_BY_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection",  # never standard, still sent by old clients and by curl
    b"proxy-authentication-info",  # the sibling RFC 9110 §11.7.3 added and most proxies forget
    b"http2-settings",  # belongs to the h2c upgrade (RFC 7540 §3.2.1), which is never forwarded
})  # fmt: skip

#: Framing and the authority are read before stripping and stated anew after it, whatever `Connection` nominates.
MADE_ANEW: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})

_NONE: Final[frozenset[bytes]] = frozenset()


class Verdict(NamedTuple):
    """What became of one field line, and by which rule. `outcome` is one of
    `kept`, `stripped`, `untrusted`, `replaced`, `set`."""

    line: FieldLine
    outcome: str
    rule: str


@lru_cache(maxsize=512)  # by the words of Connection, of which real traffic uses a handful
def names_ending_here(connection_options: frozenset[bytes], also: frozenset[bytes] = _NONE) -> frozenset[bytes]:
    """The lower-case names that end here: the standard set, every nominated one, and `also`.

    `close` and `keep-alive` are options that share this name space, so fields of those names go as well.
    """
    return HOP_BY_HOP.union(connection_options, also)


def strip(
    lines: Fields,
    connection_options: frozenset[bytes],
    also: frozenset[bytes] = _NONE,
    verdicts: list[Verdict] | None = None,
) -> Fields:
    """Return the lines that may go on, in order. With `verdicts`, also say why, line by line.

    `also` are lower-case names that the caller states anew, and so drops whoever sent them.
    """
    ending_here = names_ending_here(connection_options, also)
    if verdicts is not None:
        verdicts.extend(_verdict(line, connection_options, also) for line in lines)
    return [line for line in lines if line[0].lower() not in ending_here]


def _verdict(line: FieldLine, connection_options: frozenset[bytes], also: frozenset[bytes]) -> Verdict:
    name = line[0].lower()
    if name == b"connection":
        return Verdict(line, "stripped", "Connection itself belongs to one hop (RFC 9110 §7.6.1)")
    if name in MADE_ANEW and name in also:
        return Verdict(line, "replaced", "made anew for the next hop, nominated or not (RFC 9112 §3.2, §6)")
    if name in connection_options:
        return Verdict(line, "stripped", "nominated by Connection (RFC 9110 §7.6.1)")
    if name in HOP_BY_HOP:
        return Verdict(line, "stripped", "hop-by-hop by definition (RFC 9110 §7.6.1)")
    if name in also:
        return Verdict(line, "replaced", "stated anew by this hop")
    return Verdict(line, "kept", "end-to-end")
