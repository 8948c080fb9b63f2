"""Clients keep their origin by a cookie, while it is usable.

The cookie holds an id of the origin that means nothing to anybody else: a keyed hash, not its address. One that names
no origin in use, a forged one for instance, is ignored.
"""

from collections.abc import Sequence
from hashlib import blake2b

from proxy.http1.fields import FieldLine
from proxy.policy.cookies import request_cookie, session_cookie
from proxy.upstream.balancing.base import BalancedRequest, Balancing
from proxy.upstream.origin import Candidate, Origin


class Sticky(Balancing):
    """The origin that the client's cookie names; another policy's choice where it names none in use."""

    __slots__ = ("_by_id", "_candidates", "_ids", "_key", "_name", "_otherwise")

    def __init__(self, name: str, otherwise: Balancing, upstream: str) -> None:
        """`upstream` is the name of the service: the same origin has another id in each of them."""
        self._name = name.encode("ascii")
        self._key = blake2b(f"{name} {upstream}".encode()).digest()
        self._otherwise = otherwise
        self._candidates: Sequence[Candidate] = ()
        self._by_id: dict[bytes, Origin] = {}
        self._ids: dict[Origin, bytes] = {}

    @property
    def follows_attempts(self) -> bool:
        """As the other policy wants it."""
        return self._otherwise.follows_attempts

    def has_affinity(self, request: BalancedRequest) -> bool:
        """A client that has an origin waits for it."""
        return request_cookie(request.head, self._name) in self._by_id or self._otherwise.has_affinity(request)

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        """The client's origin, if it is among the candidates."""
        cookie = request_cookie(request.head, self._name)
        if cookie is not None:
            if candidates is not self._candidates:
                self._candidates = candidates
                self._by_id = {self._id(candidate.origin): candidate.origin for candidate in candidates}
            kept = self._by_id.get(cookie)
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

    def _id(self, origin: Origin) -> bytes:
        named = self._ids.get(origin)
        if named is None:
            if len(self._ids) >= 4096:  # addresses that come and go must not pile up
                self._ids.clear()
            named = blake2b(str(origin).encode(), key=self._key, digest_size=10).hexdigest().encode("ascii")
            self._ids[origin] = named
        return named
