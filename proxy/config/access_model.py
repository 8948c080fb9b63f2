"""What can be configured of who may use a route, and how often.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class AccessConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use a route. All that is set here is asked, in this order; the address is the client's as
    trusted_networks state it."""

    deny: Annotated[
        list[str], Meta(description="Networks (10.0.0.0/8) or addresses that get a 403, allowed or not.")
    ] = []
    allow: Annotated[
        list[str], Meta(description="Networks or addresses that may; where there are any, others: 403.")
    ] = []
