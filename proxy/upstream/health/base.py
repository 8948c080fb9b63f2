"""What health checking is to `upstream.service`.

Nothing is asked per request. An implementation calls `Service.use` when the list of usable origins changes.
"""

from typing import Protocol

from proxy.errors import ProxyError
from proxy.upstream.origin import Origin


class Health(Protocol):
    """Learns from the attempts that requests make."""

    def attempt_ended(self, origin: Origin, status: int, error: ProxyError | None) -> None:
        """As `Service.finished`, which calls this."""
