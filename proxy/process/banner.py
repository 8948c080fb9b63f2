"""The lines that an instance prints once it serves: its addresses, its routes, its limits."""

from typing import Final

from proxy.config.describe import place
from proxy.config.destinations import where
from proxy.config.model import Config
from proxy.policy.settings import Limits
from proxy.process import descriptors

#: Clients at once, per worker. With the default `limits.connections`, only a lower number is worth a line.
_PLENTY: Final = 4096


def banner(config: Config, urls: list[str], workers: int, *, admin: str, demo: bool) -> list[str]:
    """`admin` is the URL of the admin listener, "" without one. `demo`: the demo service answers on every route."""
    lines = [f"onehop listens on {url}" for url in urls]
    for name, route in config.routes.items():
        targets = "the demo service" if demo else where(config, route)
        lines.append(f"  {place(route)} -> {targets}" + (f"  (route {name})" if len(config.routes) > 1 else ""))
    room = descriptors.room(config, workers)
    wanted = config.limits.connections
    if wanted == Limits().connections:
        wanted = _PLENTY
    if room.clients < wanted and not demo:
        lines.append(f"  {descriptors.describe(room, config.limits.connections)}")
    if admin:
        inspector = ", /inspector" if config.admin.inspector else ""
        lines.append(f"  admin listener on {admin}: / (status page), /metrics, /readyz, /status.json{inspector}")
    plural = "s" if workers > 1 else ""
    return [*lines, f"  {workers} worker{plural}, reader {config.reader}; stop with Ctrl-C"]
