"""What is said about addresses in the error log: one line per change, with its cause."""

from collections.abc import Iterable

from proxy.telemetry.error_log import ErrorLog
from proxy.upstream.health.endpoint import Change, State, Use
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Origin

_SAID = {
    Use.MOST_FAIL: "more addresses fail than may be ejected, so all that accept connections are used",
    Use.ALL_OUT: "no address is healthy, so all are used",
}


class Report:
    """Says what changes, for one process."""

    def __init__(self, errors: ErrorLog) -> None:
        self._errors = errors
        self._said: dict[str, Use] = {}  # by upstream: how addresses were used when that was said last

    def changes(self, upstream: str, endpoints: Endpoints, changes: Iterable[Change], now: float) -> None:
        """Say which addresses have another state now."""
        for origin, state, cause in changes:
            text = f"upstream {upstream}: {origin} is {'on trial' if state is State.TRIAL else state.value}"
            if state is State.EJECTED and origin in endpoints:
                text += f" for {endpoints[origin].until - now:.3g} s"
            if state in (State.UP, State.TRIAL):
                self._errors.info(f"{text}: {cause}")
            else:
                self._errors.warning(f"{text}: {cause}")

    def stalled(self, upstream: str, origin: Origin) -> None:
        """Say that an address has fallen silent."""
        self._errors.warn_once_a_minute(
            f"stalled {upstream}",
            lambda: (
                f"upstream {upstream}: {origin} answers none of the requests that wait there, while others answer: "
                "until it does, it gets one at a time"
            ),
        )

    def use(self, upstream: str, endpoints: Endpoints, now: float) -> None:
        """Say, once, that addresses are used although they are not well, and why."""
        use, before = endpoints.usable(now).use, self._said.get(upstream, Use.NORMAL)
        if use is before:
            return
        self._said[upstream] = use
        if use is Use.NORMAL:
            self._errors.info(f"upstream {upstream}: only healthy addresses are used again")
        else:
            causes = "; ".join(f"{origin}: {known.cause}" for origin, known in endpoints.items() if known.cause)
            self._errors.warning(f"upstream {upstream}: {_SAID[use]} ({causes})")
