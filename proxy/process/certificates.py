"""Following the files of certificates, in each worker: a new one is used for new connections, without a restart."""

from collections.abc import Sequence
from typing import Final

from proxy.telemetry.error_log import ErrorLog
from proxy.transport.server_tls import CertificateFault, ServerContexts

_LOOK_S: Final = 1.0  # a few calls of stat()


class Certificates:
    """The certificates of all listeners. `errors` is told what changes; None where another worker says it."""

    def __init__(self, contexts: Sequence[ServerContexts], errors: ErrorLog | None) -> None:
        self._contexts = contexts
        self._errors = errors
        self._look_at = 0.0

    def look_again(self, now: float) -> None:
        """Load what has changed; called at every sweep of the deadlines (`now`: loop time)."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        for contexts in self._contexts:
            try:
                changed = contexts.look_again()
            except CertificateFault as exc:
                if self._errors is not None:
                    self._errors.error(f"{exc}; the certificates that were read before stay in use")
            else:
                if changed and self._errors is not None:
                    self._errors.info(f"read again, as it has changed: {', '.join(changed)}")
