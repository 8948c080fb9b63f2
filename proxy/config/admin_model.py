"""What can be configured of the admin listener.

How a key is added: see config/model.py.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

DEFAULT_LISTEN: Final = "127.0.0.1:9901"


class AdminConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probes, metrics and status, on a listener of their own that no client can reach through the proxy."""

    listen: Annotated[
        str,
        Meta(
            description='"HOST:PORT" for /livez, /readyz, /metrics, /status.json; "": none. Where the default is in '
            "use, onehop warns and serves without; any other must be free."
        ),
    ] = DEFAULT_LISTEN
    token_file: Annotated[
        str,
        Meta(
            description="A file with the token (Authorization: Bearer) for all but probes and /metrics: needed where "
            "the address is not loopback."
        ),
    ] = ""
    inspector: Annotated[
        bool,
        Meta(
            description="/inspector: a page that shows exchanges as they happen, each field with what was done to it "
            "and why. Secrets are masked. 100 a second of each worker are shown, and cost it a hundredth of a core."
        ),
    ] = False
