"""Bodies that are counted, empty, or end with the connection; `test_chunked` has the chunked ones."""

import pytest

from proxy.http1.message import CHUNKED, NO_BODY, UNTIL_CLOSE, BodyFraming, FixedLength, NoBody
from proxy.http1.parsing.body import CountedBody, EmptyBody, UnboundedBody
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.head_parser import HeadParser
from tests.unit.http1.parsing.feeds import BEHIND, Feed


def test_a_body_of_known_length_ends_with_it(feed: Feed) -> None:
    body = CountedBody(3)
    received = [piece for data in feed(b"abc") for piece in body.receive(data)]
    assert b"".join(received) == b"abc"
    assert body.complete
    assert body.left_over in (b"", BEHIND)
    assert body.trailers == []


def test_a_body_of_known_length_is_handed_on_without_a_copy() -> None:
    data = b"x" * 100
    [piece] = CountedBody(1000).receive(data)
    assert piece is data


def test_an_unfinished_body_of_known_length_is_not_complete() -> None:
    body = CountedBody(3)
    assert body.receive(b"") == []
    assert body.receive(b"ab") == [b"ab"]
    assert not body.complete


def test_an_unbounded_body_is_complete_when_somebody_says_so() -> None:
    body = UnboundedBody()
    assert body.receive(b"abc") == [b"abc"]
    assert body.receive(b"") == []
    assert not body.complete
    assert (body.left_over, body.trailers) == (b"", [])


@pytest.mark.parametrize(
    ("framing", "kind"),
    [
        (FixedLength(1), CountedBody),
        (FixedLength(0), EmptyBody),
        (NO_BODY, EmptyBody),
        (NoBody(5), EmptyBody),
        (CHUNKED, ChunkedBody),
        (UNTIL_CLOSE, UnboundedBody),
    ],
)
def test_the_framing_chooses_the_bodys_reader(head_parser: HeadParser, framing: BodyFraming, kind: type) -> None:
    assert type(head_parser.body(framing)) is kind
