"""How large a message may be. How a key is added: see config/model.py."""

from typing import Annotated

import msgspec
from msgspec import Meta


class MessageLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a message may be."""

    request_head_bytes: Annotated[int, Meta(description="Request line and fields; more: 431.")] = (
        32_768  # nginx takes 4 x 8k; browsers with many cookies send 16k
    )
    response_head_bytes: Annotated[int, Meta(description="Status line and fields; more: 502.")] = (
        65_536  # origins are trusted with more: long Link and CSP fields
    )
    field_count: Annotated[int, Meta(description="Field lines in a head; more: 431.")] = (
        128  # Go and Apache stop near 100; browsers send 20
    )
    target_bytes: Annotated[int, Meta(description="Request target (path and query); more: 414.")] = (
        8_192  # RFC 9112 §3 asks for at least 8,000
    )
    nominations: Annotated[int, Meta(description="Options in all Connection fields of a message; more: 431.")] = 256
    trailer_bytes: Annotated[int, Meta(description="Size of the trailer section behind a chunked body.")] = 16_384
    chunk_extension_bytes: Annotated[
        int,
        Meta(description="Extensions of one chunk; a whole body may have 4,096 bytes more, and a 32nd of its data."),
    ] = 4_096  # extensions are dropped, so more is only abuse
    request_body_bytes: Annotated[int, Meta(description="Size of a request body; more: 413; 0: no limit.")] = 0
    interim_responses: Annotated[int, Meta(description="1xx responses to one request within a second; more: 502.")] = (
        128  # a service may say 102 for as long as it works: only their rate tells abuse
    )
    interim_bytes: Annotated[
        int, Meta(description="Fields of one request's 1xx responses within a second; more: 502.")
    ] = 65_536
