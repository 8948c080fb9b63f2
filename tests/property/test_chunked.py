"""What is written chunked is read as it was, however it is split on the way."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ProtocolError
from proxy.http1 import writer
from proxy.http1.fields import Fields
from proxy.http1.limits import MessageLimits
from proxy.http1.parsing.chunked import ChunkedBody
from tests.property.strategies import bent, split

LIMITS = MessageLimits(trailer_bytes=256, chunk_extension_bytes=32, field_count=8)
PIECES = st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n", b"0\r\n\r\n", b"x" * 300]), max_size=6)
TRAILERS = st.lists(
    st.tuples(st.sampled_from([b"X-A", b"x-a", b"B"]), st.sampled_from([b"", b"1", b"a b", b"\x80"])), max_size=4
)
BEHIND = st.sampled_from([b"", b"GET / HTTP/1.1\r\n\r\n", b"\r\n", b"0\r\n\r\n"])


@given(st.data(), PIECES, TRAILERS, BEHIND, st.booleans())
def test_a_chunked_body_comes_out_as_it_went_in(
    data: st.DataObject, pieces: list[bytes], trailers: Fields, behind: bytes, with_h11: bool
) -> None:
    coded = b"".join([*writer.chunks(pieces), writer.last_chunk(trailers)])
    body = ChunkedBody(LIMITS, with_h11=with_h11)
    received, left_over = [], b""
    for piece in data.draw(split(coded + behind)):
        if body.complete:
            left_over += piece
        else:
            received += body.receive(piece)
            left_over = body.left_over
    assert body.complete
    assert b"".join(received) == b"".join(pieces)
    assert body.trailers == trailers
    assert left_over == behind


def record(
    pieces: list[bytes], *, with_h11: bool
) -> str | tuple[bytes, list[Any], bytes] | tuple[bytes, Fields, bytes] | tuple[bytes, str]:
    """What a reader makes of the pieces: the body and trailers, or that it refused."""
    body = ChunkedBody(LIMITS, with_h11=with_h11)
    received = []
    try:
        for position, piece in enumerate(pieces):
            received += body.receive(piece)
            if body.complete:
                return b"".join(received), body.trailers, body.left_over + b"".join(pieces[position + 1 :])
    except ProtocolError:
        return "refused"
    return b"".join(received), "more is needed"


@given(st.data(), PIECES.flatmap(lambda p: bent(b"".join(writer.chunks(p)) + b"0\r\nA: 1\r\n\r\n")))
def test_h11_agrees_and_the_split_decides_nothing(data: st.DataObject, coded: bytes) -> None:
    expected = record([coded], with_h11=False)
    assert record([coded], with_h11=True) == expected
    pieces = data.draw(split(coded))
    assert record(pieces, with_h11=False) == expected
    assert record(pieces, with_h11=True) == expected
