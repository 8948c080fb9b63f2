"""A request as balancing policies see it."""

from proxy.http1.message import RequestHead


class Request:
    """A plain GET of one client."""

    head = RequestHead(b"GET", b"/", b"1.1", [], {}, frozenset())
    client_address = "192.0.2.1"


REQUEST = Request()
