"""`Proxy-Status`: what this proxy met on the way to a response (RFC 9209).

Clients read it: it names no address, and of an error only what is public.
"""

from collections.abc import Iterable

from proxy.errors import ProxyError
from proxy.http1.fields import FieldLine

#: An attempt as clients may see it: an alias of its origin, and its result.
AttemptResult = tuple[str, str]


def proxy_status(pseudonym: bytes, error: ProxyError | None, attempts: Iterable[AttemptResult] = ()) -> FieldLine:
    """The field line for an error of ours, or for a response that took more than one attempt."""
    parts = [pseudonym]
    details = []
    if error is not None:
        parts.append(b"error=" + error.proxy_status.encode("ascii"))
        details.append(f"{error.code}: {error.public_detail}")
    if told := [f"{origin} {result}" for origin, result in attempts]:
        details.append(f"{len(told)} attempts: {', '.join(told)}")
    parts.append(b'details="%b"' % _quotable("; ".join(details)))
    return b"Proxy-Status", b"; ".join(parts)


def _quotable(text: str) -> bytes:
    """Text as the inside of an RFC 8941 string: printable ASCII, quotes escaped."""
    printable = "".join(char if " " <= char <= "~" else "?" for char in text)
    return printable.replace("\\", "\\\\").replace('"', '\\"').encode("ascii")
