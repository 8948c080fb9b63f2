"""What can be configured of the admin listener.

How a key is added: see config/model.py.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

DEFAULT_LISTEN: Final = "127.0.0.1:9901"


class AdminConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probes, metrics and status, on a listener of their own that is not reachable through the proxy."""

    listen: Annotated[
        str,
        Meta(
            description='"HOST:PORT" for /livez, /readyz, /metrics, /status.json; "": off. If the default is in use, '
            "onehop warns and runs without it; any other address must be free."
        ),
    ] = DEFAULT_LISTEN
    token_file: Annotated[
        str,
        Meta(
            description="A file with the token (Authorization: Bearer) for everything but probes and /metrics: "
            "required unless the address is loopback."
        ),
    ] = ""
    inspector: Annotated[
        bool,
        Meta(
            description="/inspector: a page that shows exchanges as they happen, with what was done to each field and "
            "why. Secrets are masked. It shows up to 100 exchanges a second per worker, which costs a hundredth of a "
            "core."
        ),
    ] = False
