"""The inspector's part of a worker, assembled: a part of `worker`."""

from proxy.config.describe import matches
from proxy.config.model import Config
from proxy.exchange.context import Observe
from proxy.process.link import Link
from proxy.telemetry.inspection import Inspection
from proxy.telemetry.seen import Look, look_at_all


def inspection(config: Config, link: Link | None) -> Inspection | None:
    """Reports exchanges to the control process; None where the inspector is off."""
    if link is None or not config.admin.inspector:
        return None
    return Inspection(link.send, {name: matches(route) for name, route in config.routes.items()})


def look(shown: Inspection | None, observe: Observe | None) -> Look | None:
    """What decides which exchanges are recorded in detail: all, where this worker has an observer (the demo)."""
    if observe is not None:
        return look_at_all
    return shown.look if shown is not None else None
