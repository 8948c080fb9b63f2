"""Whether a request may go on, asked before it is answered or an upstream is chosen for it.

Entered only where its route asks anything. The order is fixed: networks first, because they cost least and say no to
most; then who the client is; then how often it has come, so that nobody uses up the tokens of somebody else.
"""

import math
from time import monotonic_ns

from proxy.errors import RateLimited
from proxy.exchange.context import WorkerContext
from proxy.http1.message import RequestHead
from proxy.policy.access import Access, check_network
from proxy.policy.rate_limit import SECOND, RateLimit
from proxy.telemetry.record import ExchangeRecord


async def admit(access: Access, context: WorkerContext, head: RequestHead, record: ExchangeRecord) -> None:
    """Return where the request may go on. Raises AccessError."""
    check_network(access, record.client)
    if access.rate_limit is not None:
        _check_rate(access.rate_limit, context, head, record)


def _check_rate(limit: RateLimit, context: WorkerContext, head: RequestHead, record: ExchangeRecord) -> None:
    assert context.buckets is not None
    wait_ns = context.buckets.take(limit.key(head, record.client), limit, monotonic_ns())
    if not wait_ns:
        return
    if limit.dry_run:
        record.would_refuse = RateLimited.code
        return
    wait_s = math.ceil(wait_ns / SECOND)
    raise RateLimited(f"over the rate limit of the route, for {wait_s} s", wait_s)
