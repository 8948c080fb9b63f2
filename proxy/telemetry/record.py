"""What became of one request: everything the access log, the counters and a person reading them ask for."""

from collections.abc import Sequence

import msgspec

from proxy.http1.fields import FieldLine


class ExchangeRecord(msgspec.Struct):
    """One exchange, from head to end. Sizes are body bytes; `started` and `responded` are monotonic time in seconds,
    because the loop's own clock has only milliseconds.

    Of a request that was refused, method, target, version and fields are what arrived of them, unchecked. `error` is a
    code from `errors`.
    """

    client: str
    started: float
    request_id: str = ""
    method: bytes = b""
    target: bytes = b""
    http_version: bytes = b""
    fields: Sequence[FieldLine] = ()  # the request's, as received
    route: str = ""
    origin: str = ""
    reused: bool = False
    attempts: int = 0
    status: int = 0
    responded: float = 0.0  # when the head of the final response was written; 0.0: there was none
    request_bytes: int = 0
    response_bytes: int = 0
    tunnel_end: str = ""  # why a tunnel ended: `closed`, `idle`, `reset_by_client`, `reset_by_upstream`, `shut_down`
    error: str = ""
    detail: str = ""
    is_health_check: bool = False  # `onehop health`, asking from this machine
