"""Watches certificate files in each worker: a changed certificate is used for new connections, without a restart."""

from collections.abc import Sequence
from typing import Final

from proxy.telemetry.error_log import ErrorLog
from proxy.transport.certificates import CertificateFault
from proxy.transport.server_tls import ServerContexts
from proxy.transport.tls import ClientContext

_LOOK_S: Final = 1.0  # between two checks, each a stat() per file


class Certificates:
    """The certificates of listeners, and those for connections to services. Changes are logged to `errors`; None where
    another worker logs them."""

    def __init__(
        self, servers: Sequence[ServerContexts], clients: Sequence[ClientContext], errors: ErrorLog | None
    ) -> None:
        self._servers = servers
        self._clients = clients
        self._errors = errors
        self._look_at = 0.0

    def look_again(self, now: float) -> None:
        """Load what has changed; called at every sweep of the deadlines (`now`: loop time)."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        for server in self._servers:
            server.renew_ticket_keys(now)
        followed: list[ServerContexts | ClientContext] = [*self._servers, *self._clients]
        for contexts in followed:
            try:
                changed = contexts.look_again()
            except CertificateFault as exc:
                if self._errors is not None:
                    self._errors.error(f"{exc}; the previous certificates stay in use")
            else:
                if changed and self._errors is not None:
                    self._errors.info(f"certificate files changed and were read again: {', '.join(changed)}")
