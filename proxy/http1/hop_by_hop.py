"""The fields that belong to one hop by definition, nominated by `Connection` or not (RFC 9110 §7.6.1)."""

from typing import Final

HOP_BY_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection",  # never standard, still sent by old clients and by curl
    b"proxy-authentication-info",  # the sibling RFC 9110 §11.7.3 added and most proxies forget
    b"http2-settings",  # belongs to the h2c upgrade (RFC 7540 §3.2.1), which is never forwarded
})  # fmt: skip
