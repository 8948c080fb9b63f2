"""The recogniser is correct exactly if the referee agrees with every head that it takes."""

from hypothesis import event, given, settings

from proxy.http1.recogniser import recognise_request, recognise_response
from proxy.http1.referee import referee_request, referee_response
from proxy.http1.screening import screen_bytes, screen_lengths
from tests.property.strategies import REQUEST_HEADS, RESPONSE_HEADS

#: The one sentence on which the recogniser rests gets more examples than others; `tests.fuzz.recogniser` millions.
MORE = settings(max_examples=6 * settings.default.max_examples)


@MORE
@given(REQUEST_HEADS)
def test_the_referee_reads_a_recognised_request_alike(raw_head):
    found = recognise_request(raw_head)
    event("recognised" if found is not None else "left to the referee")
    if found is not None:
        head, end = found
        assert end == raw_head.index(b"\r\n\r\n") + 4
        raw_head = raw_head[:end]
        screen_bytes(raw_head)
        screen_lengths(raw_head)
        assert head == referee_request(raw_head)


@MORE
@given(RESPONSE_HEADS)
def test_the_referee_reads_a_recognised_response_alike(raw_head):
    found = recognise_response(raw_head)
    event("recognised" if found is not None else "left to the referee")
    if found is not None:
        head, end = found
        assert end == raw_head.index(b"\r\n\r\n") + 4
        raw_head = raw_head[:end]
        screen_bytes(raw_head, response=True)
        assert head == referee_response(raw_head)
