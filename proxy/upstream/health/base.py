"""What health checking is to `upstream.service`.

Nothing is asked per request. An implementation calls `Service.use` when the list of usable origins changes, and says by
`Service.reported_statuses` which ends of attempts are to be reported.
"""

from typing import Final, Protocol

from proxy.errors import ProxyError
from proxy.upstream.origin import Origin


class Health(Protocol):
    """Learns from the attempts that requests make."""

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        """As `Service.finished`, which calls this for each error, and for each of `Service.reported_statuses`."""

    def trial_began(self, origin: Origin) -> None:
        """A request was sent to an address on trial; `attempt_ended` says how that went."""

    def knows(self, origin: Origin) -> bool:
        """Whether this is one of the addresses that have been told, used or not."""


class _EveryStatus:
    """Holds whatever is looked for."""

    def __contains__(self, status: object) -> bool:
        return True


EVERY_STATUS: Final = _EveryStatus()
