"""Heads and chunks as bytes."""

import pytest

from proxy.http1 import writer
from proxy.http1.section import Lines, Outgoing, outgoing
from tests.harness.notation import lines, wire


def test_a_request_head_is_written_in_our_version() -> None:
    fields = lines("Host: h|X-A:|x-b: a, b")
    assert writer.request_head(b"POST", b"/a//%2F?", fields) == wire("POST /a//%2F? HTTP/1.1|Host: h|X-A: |x-b: a, b||")


def test_a_response_head_is_written_in_our_version() -> None:
    fields = Outgoing(Lines(lines("Set-Cookie: a|Set-Cookie: b")), lines("X-C:|Via: 1.1 me"))
    assert writer.response_head(404, b"Not Found", fields) == wire(
        "HTTP/1.1 404 Not Found|Set-Cookie: a|Set-Cookie: b|X-C: |Via: 1.1 me||"
    )
    kept, stated = Outgoing(Lines(lines("A: 1")), []), outgoing(lines("B: 2"))
    assert writer.response_head(200, b"", kept) == wire("HTTP/1.1 200 |A: 1||")
    assert writer.response_head(200, b"", stated) == wire("HTTP/1.1 200 |B: 2||")


def test_heads_without_fields_end_with_one_empty_line() -> None:
    assert writer.request_head(b"GET", b"/", []) == b"GET / HTTP/1.1\r\n\r\n"
    assert writer.response_head(200, b"", outgoing([])) == b"HTTP/1.1 200 \r\n\r\n"


CHUNKS = [
    # pieces                     buffers
    ([],                         []),
    ([b""],                      []),  # an empty chunk would end the body
    ([b"a"],                     [b"1\r\n", b"a", b"\r\n"]),
    ([b"a", b"", b"b" * 16],     [b"1\r\n", b"a", b"\r\n", b"10\r\n", b"b" * 16, b"\r\n"]),
    ([b"\r\n"],                  [b"2\r\n", b"\r\n", b"\r\n"]),
    ([b"x" * 255],               [b"ff\r\n", b"x" * 255, b"\r\n"]),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "expected"), CHUNKS)
def test_each_piece_becomes_a_chunk(pieces: list[bytes], expected: list[bytes]) -> None:
    assert writer.chunks(pieces) == expected


def test_a_piece_is_not_copied() -> None:
    piece = b"x" * 100
    assert writer.chunks([piece])[1] is piece


@pytest.mark.parametrize(("trailers", "expected"), [("", "0||"), ("A: 1", "0|A: 1||"), ("A: 1|B:", "0|A: 1|B: ||")])
def test_the_last_chunk_carries_the_trailers(trailers: str, expected: str) -> None:
    assert writer.last_chunk(lines(trailers)) == wire(expected)
