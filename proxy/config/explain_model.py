"""What can be configured of explanations in responses.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class ExplainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests with this secret get the decisions about their fields in the response, as Onehop-Decisions."""

    secret: Annotated[
        str,
        Meta(
            description='Value that such a request has in `header`; "": off. 16 visible characters or more: `openssl '
            "rand -hex 16`.",
        ),
    ] = ""
    header: Annotated[
        str,
        Meta(
            description='Request field that carries the secret. Its name must say so, by "secret", "token" or "key"; '
            "it is never forwarded."
        ),
    ] = "X-Explain-Secret"
    networks: Annotated[
        list[str],
        Meta(description="Networks from which such requests are accepted, by client address (see trusted_networks)."),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])
    server_timing: Annotated[
        bool, Meta(description="Also send Server-Timing, which browsers show: connect, upstream and total, in ms.")
    ] = True
    field_bytes: Annotated[
        int,
        Meta(
            description="Size of all lines of Onehop-Decisions together; those about fields that were kept are left "
            "out first."
        ),
    ] = 4096  # proxies in front have buffers of 4 to 8 KiB for a head
