"""Problems that an operator should look at, in words: the first part of the status page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from proxy.admin.instance import Instance, WorkerState

_SOON_S: Final = 14 * 86_400  # clients of Let's Encrypt renew 30 days before the end: here, that has failed
_STATES: Final = {
    "trial": "is on trial",
    "ejected": "is left out",
    "down": "fails its health checks",
    "unresolved": "has no address",
}


class Problem(TypedDict):
    """A problem, and its cause."""

    what: str
    cause: str  # "" where none is known


def problems(
    instance: Instance, workers: Sequence[WorkerState], addresses: Mapping[str, list[dict[str, Any]]], now: float
) -> list[Problem]:
    """All problems. `now` is Unix time."""
    found: list[Problem] = []
    if not instance.is_ready():
        found.append({"what": "the instance is stopping", "cause": "it was told to"})
    if not workers:
        found.append({"what": "no worker serves", "cause": ""})
    for worker in workers:
        if worker.is_stalled:
            what = f"worker {worker.pid} hangs"
            found.append({"what": what, "cause": f"its event loop has been blocked for {worker.silent_s:.0f} s"})
    for upstream, known in addresses.items():
        for address in known:
            where = address["origin"]
            if address["address"] and address["address"] not in where:
                where += f" ({address['address']})"
            if said := _STATES.get(address["state"], "fails" if address["is_out"] else ""):
                used = (
                    ", but is still used: no other is healthy"
                    if address["is_used"] and address["state"] != "trial"
                    else ""
                )
                found.append({"what": f"{upstream}: {where} {said}{used}", "cause": address["cause"]})
            elif address["failures"]:  # too few for more, and none was served since
                found.append({"what": f"{upstream}: {where} failed last", "cause": address["last_failure"]})
    for path, certificate in instance.certificates().items():
        left_s = certificate.expires_at - now
        if left_s < _SOON_S:
            said = f"expires in {left_s // 86_400:.0f} days" if left_s > 0 else "has expired"
            found.append({"what": f"certificate {path} {said}", "cause": ""})
    return found
