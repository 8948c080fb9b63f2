"""Whether a request may go on, asked before it is answered or an upstream is chosen for it.

Entered only where its route asks anything. The order is fixed: networks first, because they cost least and say no to
most; then who the client is.
"""

from proxy.policy.access import Access, check_network
from proxy.telemetry.record import ExchangeRecord


async def admit(access: Access, record: ExchangeRecord) -> None:
    """Return where the request may go on. Raises AccessError."""
    check_network(access, record.client)
