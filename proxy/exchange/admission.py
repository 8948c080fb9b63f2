"""Whether a request may go on, asked before it is answered or an upstream is chosen for it.

Entered only for routes that restrict access. The order is fixed: networks first, which cost least and refuse most; then
the client's identity; then the rate limit, so that nobody uses up another user's tokens.
"""

import math
from time import monotonic_ns

from proxy.downstream.connection import ClientConnection
from proxy.errors import ProxyError, RateLimited, Unauthorized
from proxy.exchange.auth_service import ask
from proxy.exchange.context import WorkerContext
from proxy.http1.fields import Fields
from proxy.http1.message import RequestHead
from proxy.policy.access import check_network
from proxy.policy.basic_auth import credentials
from proxy.policy.local_responses import LocalResponse
from proxy.policy.rate_limit import SECOND, WRONG_PASSWORDS, RateLimit
from proxy.policy.route import Route
from proxy.telemetry.record import ExchangeRecord
from proxy.transport import fiber


async def admit(
    route: Route, context: WorkerContext, client: ClientConnection, head: RequestHead, record: ExchangeRecord
) -> Fields | LocalResponse:
    """Return the field lines to add to the request if it may go on, else the response for the client.

    Raises AccessError, UpstreamError, LimitReached, ClientGone, RequestOverdue.
    """
    access = route.access
    assert access is not None
    check_network(access, record.client)
    admitted: Fields = []
    if access.basic_auth:
        name = await _check_password(access.basic_auth, context, client, head, record)
        if access.user_field:
            admitted.append((access.user_field, name))
    if access.auth_service is not None:
        answer = await ask(access.auth_service, context, client, head, route, record)
        if isinstance(answer, LocalResponse):
            return answer
        admitted += answer
    if access.rate_limit is not None:
        _check_rate(access.rate_limit, context, head, record)
    return admitted


async def _check_password(
    path: str, context: WorkerContext, client: ClientConnection, head: RequestHead, record: ExchangeRecord
) -> bytes:
    """Return the user's name. Raises Unauthorized, RateLimited, LimitReached."""
    passwords, buckets = context.passwords, context.buckets
    given = credentials(head.known.get(b"authorization", ()))
    if given is None:
        raise Unauthorized("no name and password")
    if passwords.are_remembered(path, *given):
        return given[0]
    # Guesses are limited before they occupy a thread: other clients would find none free.
    key = WRONG_PASSWORDS.key(head, record.client)
    if buckets is not None and (wait_ns := buckets.take(key, WRONG_PASSWORDS, monotonic_ns(), only_look=True)):
        raise RateLimited("too many wrong passwords from this client", math.ceil(wait_ns / SECOND))
    client.exchange = _Waiting()
    try:
        right = await passwords.are_right(path, *given)
    finally:
        client.exchange = None
    if not right:
        if buckets is not None:
            buckets.take(key, WRONG_PASSWORDS, monotonic_ns())
        raise Unauthorized("wrong name or password")
    return given[0]


class _Waiting:
    """A request that waits for its password to be checked."""

    is_uploading = False

    def __init__(self) -> None:
        self._fiber = fiber.running

    def abandon(self, error: ProxyError) -> None:
        """Stop waiting: the client is gone, or the request's time is over."""
        if self._fiber is not None:
            self._fiber.interrupt(error)


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
