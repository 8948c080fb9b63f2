"""A request as balancing policies see it."""

from proxy.http1.fields import FieldLine
from proxy.http1.message import RequestHead
from proxy.http1.section import section


class Request:
    """A plain GET of one client."""

    def __init__(self, *fields: FieldLine, target: bytes = b"/", client_address: str = "192.0.2.1") -> None:
        self.head = RequestHead(b"GET", target, b"1.1", *section(list(fields)))
        self.client_address = client_address


REQUEST = Request()
