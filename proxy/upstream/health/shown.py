"""What is known of addresses, as metrics and the status page show it."""

from collections.abc import Mapping
from typing import Any

from proxy.upstream.health.endpoint import State
from proxy.upstream.health.state import Endpoints


def healthy(upstreams: Mapping[str, Endpoints]) -> dict[tuple[str, str], bool]:
    """By upstream and origin, as the configuration names it: whether one of its addresses is well."""
    found: dict[tuple[str, str], bool] = {}
    for upstream, endpoints in upstreams.items():
        for origin, known in endpoints.items():
            key = upstream, origin.label
            found[key] = found.get(key, False) or not endpoints.is_out(known)
    return found


def addresses(upstreams: Mapping[str, Endpoints], now: float, wall: float) -> dict[str, list[dict[str, Any]]]:
    """By upstream, each address: its state, since when (seconds since 1970, or None: since the beginning), and why.

    One that is out may be used all the same, where no other is well.
    """
    return {
        upstream: [
            {
                "origin": origin.label,
                "address": known.address or origin.host,
                "state": known.state.value,
                "is_used": any(candidate.origin == origin for candidate in endpoints.usable(now).candidates),
                "is_out": endpoints.is_out(known),
                "cause": known.cause,
                "since": round(wall - now + known.since, 3) if known.since >= 0 else None,
                "failures": known.failures,
                "last_failure": known.last_failure,
                "failed_at": round(wall - now + known.failed_at, 3) if known.last_failure else None,
                "ejections": known.ejections,
                "ejected_until": round(wall - now + known.until, 3) if known.state is State.EJECTED else None,
            }
            for origin, known in endpoints.items()
        ]
        for upstream, endpoints in upstreams.items()
    }
