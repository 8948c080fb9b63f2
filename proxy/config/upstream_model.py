"""What can be configured of an upstream.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class UpstreamTlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How TLS is spoken to the https:// origins of an upstream: version 1.2 or later."""

    verify: Annotated[bool, Meta(description="Whether the certificate must be valid and name the service.")] = True
    ca: Annotated[str, Meta(description='A PEM file of those who may sign it; "": the system\'s.')] = ""
    server_name: Annotated[str, Meta(description='Asked for (SNI) and verified; "": the URL\'s host.')] = ""
    certificate: Annotated[str, Meta(description="A PEM file: onehop's own, for services that ask for one.")] = ""
    key: Annotated[str, Meta(description='A PEM file: the key of certificate; "" where both stand in one file.')] = ""


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service: one or more origins that answer alike, used in turn."""

    urls: Annotated[
        list[str],
        Meta(min_length=1, description="http(s)://HOST[:PORT], one or more.", examples=[["http://app:8000"]]),
    ]
    host: Annotated[
        str | None,
        Meta(description="What Host says to it; without it, what the client said.", examples=["app.internal"]),
    ] = None
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
