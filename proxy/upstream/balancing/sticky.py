"""Clients keep their origin by a cookie, while it is usable.

The cookie holds an id of the origin that means nothing to anybody else: a keyed hash, not its address. One that names
no origin in use, a forged one for instance, is ignored. Where a name has addresses, the cookie has an id of each: a
client whose address is gone stays with its name where that has just one now, as an instance's that was started again
elsewhere.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from proxy.http1.fields import FieldLine
from proxy.policy.cookies import request_cookie, session_cookie
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.origin import Candidate, Origin

_ID_BYTES: Final = 20


class Sticky(Balancing):
    """The origin that the client's cookie names; another policy's choice where it names none in use."""

    __slots__ = ("_by_id", "_by_name", "_candidates", "_ids", "_key", "_name", "_otherwise")

    def __init__(self, name: str, otherwise: Balancing, upstream: str) -> None:
        """`upstream` is the name of the service: the same origin has another id in each of them."""
        self._name = name.encode("ascii")
        self._key = blake2b(f"{name} {upstream}".encode()).digest()
        self._otherwise = otherwise
        self._candidates: Sequence[Candidate] = ()
        self._by_id: dict[bytes, Origin] = {}
        self._by_name: dict[bytes, Origin] = {}  # those whose name has no other address
        self._ids: dict[Origin, bytes] = {}

    @property
    def follows_attempts(self) -> bool:
        """As the other policy wants it."""
        return self._otherwise.follows_attempts

    def has_affinity(self, request: BalancedRequest) -> bool:
        """A client that has an origin waits for it."""
        cookie = request_cookie(request.head, self._name)
        return (cookie is not None and self._kept(cookie) is not None) or self._otherwise.has_affinity(request)

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        """The client's origin, if it is among the candidates."""
        cookie = request_cookie(request.head, self._name)
        if cookie is not None:
            if candidates is not self._candidates:
                self._offer(candidates)
            kept = self._kept(cookie)
            if kept is not None:
                return kept
        return self._otherwise.choose(candidates, request, again=again)

    def cookie(self, request: BalancedRequest, origin: Origin, *, secured: bool) -> FieldLine | None:
        """What the response of this origin tells the client to keep; None where it has that already."""
        named = self._id(origin)
        if request_cookie(request.head, self._name) == named:
            return None
        return session_cookie(self._name, named, secured=secured)

    def started(self, origin: Origin) -> None:
        """For the other policy."""
        self._otherwise.started(origin)

    def ended(self, origin: Origin) -> None:
        """For the other policy."""
        self._otherwise.ended(origin)

    def _offer(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates
        self._by_id = {self._id(candidate.origin): candidate.origin for candidate in candidates}
        addresses = Counter(candidate.origin.label for candidate in candidates)
        self._by_name = {
            self._id(candidate.origin)[:_ID_BYTES]: candidate.origin
            for candidate in candidates
            if addresses[candidate.origin.label] == 1
        }

    def _kept(self, cookie: bytes) -> Origin | None:
        """The origin that a cookie names, if it may be chosen."""
        return self._by_id.get(cookie) or self._by_name.get(cookie[:_ID_BYTES])

    def _id(self, origin: Origin) -> bytes:
        named = self._ids.get(origin)
        if named is None:
            if len(self._ids) >= 4096:  # addresses that come and go must not pile up
                self._ids.clear()
            named = self._hashed(origin.label) + (self._hashed(str(origin)) if origin.address else b"")
            self._ids[origin] = named
        return named

    def _hashed(self, text: str) -> bytes:
        return blake2b(text.encode(), key=self._key, digest_size=_ID_BYTES // 2).hexdigest().encode("ascii")
