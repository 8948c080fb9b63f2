"""The services of a worker, assembled: a part of `worker`."""

from proxy.config.build import balancing, candidates, retry_settings, share
from proxy.config.model import Config
from proxy.transport.deadlines import Deadlines
from proxy.upstream.connection_limit import ConnectionLimit
from proxy.upstream.pool import Pool
from proxy.upstream.service import Service


def services(config: Config, pool: Pool, deadlines: Deadlines, *, workers: int, number: int) -> dict[str, Service]:
    """By the upstream's name. `number` is this worker's among `workers`, which share the limits of the instance."""
    found = {}
    for name, upstream in config.upstreams.items():
        service = found[name] = Service(
            name,
            candidates(upstream),
            balancing(name, upstream),
            retry_settings(upstream),
            workers=workers,
        )
        deadlines.on_sweep.append(service.budget.sample)
        if upstream.max_connections:
            service.limit_connections(
                ConnectionLimit(
                    share(upstream.max_connections, workers, number),
                    deadlines.loop,
                    queue=-(-upstream.queue // workers),  # rounded up: with 0, a worker could not queue at all
                    queue_s=upstream.queue_s,
                    idle=pool.idle_at,
                )
            )
    return found
