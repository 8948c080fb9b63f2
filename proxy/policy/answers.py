"""What a route answers itself, without a service: a redirect, or a fixed answer.

A redirect leads where the configuration says. What it takes from the client's request is encoded: that can neither
break the line nor change the scheme or the host.
"""

import re
from typing import Final

import msgspec

from proxy.errors import ProtocolError
from proxy.http1.fields import Fields
from proxy.http1.target import host_of

#: What may stand in a URI (RFC 3986 §2). A backslash may not: browsers read `/\host` as `//host`.
_NOT_IN_URIS: Final = re.compile(rb"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
PLACEHOLDERS: Final = ("host", "authority", "path", "target", "query")


class Redirect(msgspec.Struct, frozen=True):
    """`to` are texts, and the names of placeholders between them."""

    to: tuple[bytes | str, ...]
    status: int

    def answer(self, authority: bytes, target: bytes) -> tuple[Fields, bytes]:
        """The field lines and the body of the answer to a request. Raises ProtocolError (400) where the redirect needs
        a host and the request has none."""
        return [(b"Location", self.location(authority, target))], b""

    def location(self, authority: bytes, target: bytes) -> bytes:
        """Where it leads. `target` is in origin-form."""
        if not authority and ("host" in self.to or "authority" in self.to):
            raise ProtocolError("no Host field, which the redirect of this route needs")
        target = b"/" if target == b"*" else _NOT_IN_URIS.sub(_encoded, target)
        path, _, query = target.partition(b"?")
        values = {"host": host_of(authority), "authority": authority, "path": path, "target": target, "query": query}
        location = b"".join([part if isinstance(part, bytes) else values[part] for part in self.to])
        if location[:2] == b"//":
            location = b"/" + location.lstrip(b"/")  # two would begin a host: an open redirect
        return location


class FixedAnswer(msgspec.Struct, frozen=True):
    """The same answer to every request."""

    status: int
    content_type: bytes
    body: bytes

    def answer(self, authority: bytes, target: bytes) -> tuple[Fields, bytes]:
        """The field lines and the body of the answer."""
        return [(b"Content-Type", self.content_type)] if self.body else [], self.body


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]
