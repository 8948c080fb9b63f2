"""What can be configured of explanations on the wire.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class ExplainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may ask for what was decided about a request, and gets it in its response, as Onehop-Decisions."""

    secret: Annotated[
        str,
        Meta(
            description='What such a request has in `header`; "": nobody is told. 16 visible characters or more: '
            "`openssl rand -hex 16`.",
        ),
    ] = ""
    header: Annotated[
        str, Meta(description="A field of its own, whose name says that it is secret. It never goes on to a service.")
    ] = "X-Explain-Secret"
    networks: Annotated[
        list[str],
        Meta(description="Where such a request may come from, by the client's address, as trusted_networks tell it."),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1/128"])
    server_timing: Annotated[
        bool, Meta(description="Also state Server-Timing, which browsers show: connect, upstream, and total, in ms.")
    ] = True
    field_bytes: Annotated[
        int, Meta(description="Of all lines of Onehop-Decisions together; what was kept is left out first.")
    ] = 4096  # what stands in front has buffers of 4 to 8 KiB for a head
