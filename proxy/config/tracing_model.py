"""What can be configured of tracing.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class TracingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spans for OpenTelemetry, with the extra `otlp`."""

    otlp_endpoint: Annotated[
        str,
        Meta(
            description='A collector that takes OTLP over HTTP, at /v1/traces unless there is a path; "": tracing is '
            "off, and trace context passes untouched.",
        ),
    ] = ""
    sample_percent: Annotated[
        float,
        Meta(description="Of requests that are recorded; where a trusted peer has decided, as it says."),
    ] = 1.0  # what it shows does not grow with more, and its cost does
