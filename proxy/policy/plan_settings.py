"""What decides about a request besides its route."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from proxy.http1.fields import FieldLine
from proxy.http1.remembered import Remembered
from proxy.policy.error_pages import ErrorPages
from proxy.policy.loops import cdn_loop, via

_NO_UPGRADES: Final[Mapping[bytes, bytes]] = {}
_VERSIONS: Final = 16  # more than there are: HTTP/1.0 to 1.9


class PlanSettings:
    """The same for all requests of a worker: nothing of it is changed."""

    __slots__ = ("_via", "cdn_loop", "drop_underscores", "error_pages", "passes", "pseudonym", "state_forwarded",
                 "state_via", "upgrades")  # fmt: skip

    def __init__(
        self,
        *,
        pseudonym: bytes,
        upgrades: Mapping[bytes, bytes] = _NO_UPGRADES,
        state_forwarded: bool = False,
        state_via: bool = True,
        passes: int = 10,
        error_pages: ErrorPages | None = None,
        drop_underscores: bool = False,
    ) -> None:
        self.pseudonym: Final = pseudonym  # in Via: unique to this instance, so that a loop is seen (RFC 9110 §7.6.3)
        self.upgrades: Final = upgrades  # protocols that a client may switch to: in lower case, and as configured
        self.state_forwarded: Final = state_forwarded  # also state RFC 7239 `Forwarded`
        self.state_via: Final = state_via  # else passes are counted by `CDN-Loop`
        self.passes: Final = passes  # through this instance, before a request is refused as a loop
        self.error_pages: Final = error_pages  # where no route has its own
        self.drop_underscores: Final = drop_underscores  # fields of clients whose names have a `_`
        self.cdn_loop: Final = cdn_loop(pseudonym)
        self._via: Final = Remembered(partial(via, pseudonym), _VERSIONS)

    def via(self, http_version: bytes) -> FieldLine:
        """Our member of `Via` for a message of this version."""
        return self._via[http_version]
