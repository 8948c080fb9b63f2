"""What can be configured of tracing.

How a key is added: see config/model.py.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class TracingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spans for OpenTelemetry; needs the extra `otlp`."""

    otlp_endpoint: Annotated[
        str,
        Meta(
            description='URL of a collector that takes OTLP over HTTP, at /v1/traces unless it has a path; "": tracing '
            "is off, and trace context passes unchanged.",
        ),
    ] = ""
    sample_percent: Annotated[
        float,
        Meta(description="Percentage of requests that are recorded; the decision of a trusted peer has precedence."),
    ] = 1.0  # what it shows does not grow with more, and its cost does
