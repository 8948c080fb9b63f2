"""What became of one request: everything the access log, the counters and a person reading them ask for."""

import msgspec


class ExchangeRecord(msgspec.Struct):
    """One exchange, from head to end. Sizes are body bytes; `started` is monotonic time in seconds, because the loop's
    own clock has only milliseconds.

    A request whose head could not be read has an empty method and target. `error` is a code from `errors`.
    """

    client: str
    started: float
    request_id: str = ""
    method: bytes = b""
    target: bytes = b""
    http_version: bytes = b""
    route: str = ""
    origin: str = ""
    reused: bool = False
    attempts: int = 0
    status: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    error: str = ""
    detail: str = ""
