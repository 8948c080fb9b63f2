"""How the origins of an upstream are watched: by health checks, and by what requests meet.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class HealthCheckSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Active checks: every address of the upstream is checked regularly, once per instance. Off without this table."""

    path: Annotated[
        str,
        Meta(
            description='Path that is requested by GET; "": connecting, TLS included, is enough.', examples=["/healthz"]
        ),
    ] = ""
    host: Annotated[str, Meta(description="Host that is sent; \"\": the upstream's host, or else the origin's.")] = ""
    interval_s: Annotated[float, Meta(description="Between two checks of an address, give or take a tenth.")] = 10.0
    timeout_s: Annotated[float, Meta(description="For one check, from connecting to the response head.")] = 2.0
    rise: Annotated[int, Meta(ge=1, le=1000, description="Passes in a row before an address is used again.")] = 2
    fall: Annotated[int, Meta(ge=1, le=1000, description="Failures in a row before it is not used.")] = 3
    status: Annotated[str, Meta(description='Statuses that pass: "200", "200-399" or "200,204,300-399".')] = "200-399"


class EjectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Passive checks: addresses at which requests fail are left out for a while, as long as there are others."""

    failures: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="Failures in a row (refused, timed out, or broken before a response head) after which an "
            "address is left out; 0: never.",
        ),
    ] = 3  # one may be chance; each costs a request time
    statuses: Annotated[
        list[int], Meta(description="Response statuses that count as failures, too.", examples=[[502, 503]])
    ] = []
    eject_s: Annotated[
        float,
        Meta(
            description="How long an address is left out at first; doubles each time, up to 300. Then one request "
            "tries it."
        ),
    ] = 10.0
    max_ejected_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Percentage of addresses that may be left out: at least one address (unless 0), and never all. "
            "If more fail, all that accept connections are used; if all fail, simply all.",
        ),
    ] = 50


def status_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """First and last of each range. Raises ValueError, whose text says what was expected."""
    ranges = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not dash:
            last = first
        for number in (first, last):
            if not (len(number) == 3 and number.isascii() and number.isdigit() and "200" <= number <= "599"):
                raise ValueError('statuses from 200 to 599, such as "200-399" or "200,204"')
        if int(first) > int(last):
            raise ValueError(f'the lower status first, as in "{last}-{first}"')
        ranges.append((int(first), int(last)))
    return tuple(ranges)
