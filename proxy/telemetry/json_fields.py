"""The fields of the JSON log, each with what it means. docs/logs.md is made from them.

Apart from `access_lines`, which is compiled: Structs are not.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class EarlierAttemptShown(msgspec.Struct):
    """An attempt before the last: its origin, result and duration."""

    upstream: str
    result: str
    reused: bool
    duration_s: float


class Line(msgspec.Struct, omit_defaults=True):
    """One line of the JSON log."""

    time: Annotated[str, Meta(description="When it ended, in UTC, to the millisecond.")]
    client: Annotated[str, Meta(description="The client's address: the peer's, or the one that a trusted peer states.")]
    method: Annotated[str, Meta(description="Of the request line, as received.")]
    target: Annotated[
        str, Meta(description="Of the request line, as received; passwords, tokens and signatures in it are masked.")
    ]
    version: Annotated[str, Meta(description="Of the request line, as received.")]
    status: Annotated[int, Meta(description="What the client was answered; 499: nothing, it left first.")]
    request_bytes: Annotated[
        int, Meta(description="Of the request's body as received; of tunnels, what the client sent.")
    ]
    response_bytes: Annotated[
        int,
        Meta(
            description="Of the response's body as sent, and of a cut one as far as the client took it; of tunnels, "
            "what the service sent."
        ),
    ]
    duration_s: Annotated[float, Meta(description="From the request's head to the end.")]
    request_id: Annotated[str, Meta(description="Also in X-Request-Id to the service, and in error answers.")]
    first_byte_s: Annotated[float | None, Meta(description="From the request's head to the response's head.")] = None
    host: Annotated[str, Meta(description="The request's Host.")] = ""
    user_agent: Annotated[str, Meta(description="The request's User-Agent.")] = ""
    route: Annotated[str, Meta(description="The route that matched.")] = ""
    upstream: Annotated[str, Meta(description="The origin of the last attempt.")] = ""
    reused: Annotated[bool, Meta(description="That attempt went on a connection that was open already.")] = False
    attempts: Annotated[int, Meta(description="How many there were.")] = 0
    tunnel_end: Annotated[
        str, Meta(description="Why a tunnel ended: closed, idle, reset_by_client, reset_by_upstream, shut_down.")
    ] = ""
    error: Annotated[
        str,
        Meta(description="What went wrong: a code of docs/errors.md, also in onehop_errors_total."),
    ] = ""
    detail: Annotated[str, Meta(description="What went wrong, in words for the operator.")] = ""
    would_refuse: Annotated[str, Meta(description="The error of a limit with dry_run.")] = ""
    trace_id: Annotated[
        str, Meta(description="Of the request's traceparent (W3C Trace Context), or of the trace that begins here.")
    ] = ""
    fields: Annotated[dict[str, str], Meta(description="Those of access_log_fields, by their names there.")] = {}
    earlier: Annotated[
        list[EarlierAttemptShown],
        Meta(description="Attempts before the last: upstream, result (a code or a status), reused, duration_s."),
    ] = []
