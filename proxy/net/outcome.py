"""What became of one request: everything the access log, the counters and a person reading them ask for."""

from proxy.net.origin import Origin


class Outcome:
    """One exchange, from head to end. Times in seconds, sizes in body bytes.

    A request whose head could not be read has an empty method and target.
    """

    __slots__ = (
        "attempts", "client", "detail", "error", "http_version", "method", "origin", "request_bytes", "request_id",
        "response_bytes", "reused", "route", "started", "status", "target",
    )  # fmt: skip

    def __init__(self, client: str, started: float) -> None:
        self.client = client
        self.started = started  # loop time
        self.request_id = ""
        self.method = b""
        self.target = b""
        self.http_version = b""
        self.route = ""
        self.origin: Origin | None = None
        self.reused = False
        self.attempts = 0
        self.status = 0
        self.request_bytes = 0
        self.response_bytes = 0
        self.error = ""  # a code from `errors`
        self.detail = ""
