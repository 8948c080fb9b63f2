"""Any bytes: heads, a wait for more, or one of our errors; and how they were split decides nothing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.message import RequestHead, ResponseHead
from proxy.http1.parsing.head_parser import HeadParser
from tests.property.strategies import INTERESTING, REQUEST_HEADS, RESPONSE_HEADS, split

#: So small that heads are often over them.
SMALL = MessageLimits(request_head_bytes=64, response_head_bytes=64, target_bytes=16, field_count=3, nominations=3)
LIMITS = st.sampled_from([SMALL, MessageLimits()])
EMPTY_LINES = st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n", b"\n", b"\r"])
ANY_BYTES = st.binary(max_size=80) | st.lists(st.sampled_from(INTERESTING), max_size=20).map(b"".join)
REQUESTS = ANY_BYTES | st.builds(
    lambda *parts: b"".join(parts), EMPTY_LINES, REQUEST_HEADS, EMPTY_LINES, REQUEST_HEADS | ANY_BYTES
)
RESPONSES = ANY_BYTES | st.builds(
    lambda *parts: b"".join(parts), EMPTY_LINES, RESPONSE_HEADS, RESPONSE_HEADS | ANY_BYTES
)


def record(
    limits: MessageLimits, pieces: list[bytes], *, fast_path: bool, response: bool
) -> (
    tuple[list[Any], bytes]
    | tuple[list[Any], int, str]
    | tuple[list[RequestHead], int, str]
    | tuple[list[ResponseHead], bytes]
):
    """All heads that can be read, and how it ended: an error's status and code, or the bytes still unread."""
    reader = HeadParser(limits, fast_path=fast_path)
    read = reader.response_head if response else reader.request_head
    heads = []
    try:
        for piece in pieces:
            reader.receive(piece)
            while (head := read()) is not None:
                heads.append(head)
    except ProtocolError as error:
        return heads, error.status, error.code or ""
    return heads, bytes(reader.unread)


@given(st.data(), REQUESTS, LIMITS)
def test_requests_are_read_alike_by_both_readers_in_any_split(
    data: st.DataObject, raw: bytes, limits: MessageLimits
) -> None:
    check(data, raw, limits, response=False)


@given(st.data(), RESPONSES, LIMITS)
def test_responses_are_read_alike_by_both_readers_in_any_split(
    data: st.DataObject, raw: bytes, limits: MessageLimits
) -> None:
    check(data, raw, limits, response=True)


def check(data: st.DataObject, raw: bytes, limits: MessageLimits, *, response: bool) -> None:
    whole = record(limits, [raw], fast_path=False, response=response)
    assert record(limits, [raw], fast_path=True, response=response) == whole
    single_bytes = [raw[position : position + 1] for position in range(len(raw))]
    for pieces in (single_bytes, data.draw(split(raw))):
        assert record(limits, pieces, fast_path=True, response=response) == whole
