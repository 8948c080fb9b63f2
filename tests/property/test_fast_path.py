"""The fast path is correct exactly if the h11 parser agrees with every head that it takes."""

from hypothesis import event, given

from proxy.http1.parsing.fast_path import parse_plain_request, parse_plain_response
from proxy.http1.parsing.h11_parser import parse_request, parse_response
from proxy.http1.parsing.strictness import check_bytes, check_lengths, check_response
from tests.property.strategies import REQUEST_HEADS, RESPONSE_HEADS, times

#: The one sentence on which the fast path rests gets more examples than others; `tests.fuzz.fast_path` millions.
MORE = times(6)


@MORE
@given(REQUEST_HEADS)
def test_the_h11_parser_reads_a_request_of_the_fast_path_alike(raw_head: bytes) -> None:
    found = parse_plain_request(raw_head)
    event("plain" if found is not None else "left to the h11 parser")
    if found is not None:
        head, end = found
        assert end == raw_head.index(b"\r\n\r\n") + 4
        raw_head = raw_head[:end]
        check_bytes(raw_head)
        check_lengths(raw_head)
        assert head == parse_request(raw_head)


@MORE
@given(RESPONSE_HEADS)
def test_the_h11_parser_reads_a_response_of_the_fast_path_alike(raw_head: bytes) -> None:
    found = parse_plain_response(raw_head)
    event("plain" if found is not None else "left to the h11 parser")
    if found is not None:
        head, end = found
        assert end == raw_head.index(b"\r\n\r\n") + 4
        raw_head = raw_head[:end]
        check_bytes(raw_head)
        assert head == parse_response(raw_head)
        check_response(head)
