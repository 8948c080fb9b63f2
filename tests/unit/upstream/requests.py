"""A request as balancing policies see it."""

from proxy.http1.fields import FieldLine, index
from proxy.http1.message import RequestHead


class Request:
    """A plain GET of one client."""

    def __init__(self, *fields: FieldLine, target: bytes = b"/", client_address: str = "192.0.2.1") -> None:
        self.head = RequestHead(b"GET", target, b"1.1", list(fields), index(fields), frozenset())
        self.client_address = client_address


REQUEST = Request()
