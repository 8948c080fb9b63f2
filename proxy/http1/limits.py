"""How large a message may be."""

import msgspec


class MessageLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a message may be, apart from its body. Sizes in bytes."""

    request_head_bytes: int = 32_768  # nginx takes 4 x 8k; browsers with many cookies send 16k
    response_head_bytes: int = 65_536  # origins are trusted with more: long Link and CSP fields
    field_count: int = 128  # Go and Apache stop near 100; browsers send 20
    target_bytes: int = 8_192  # RFC 9112 §3 asks for at least 8,000
    nominations: int = 256  # options in all Connection lines together
    trailer_bytes: int = 16_384
    chunk_extension_bytes: int = 4_096  # of one chunk; extensions are dropped, so more is only abuse
    request_body_bytes: int = 0  # 0: no limit
    interim_responses: int = 32  # 1xx before a final response
