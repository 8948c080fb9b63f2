"""What a peer sends is counted before anything is made of it: work is bounded where bytes alone are not enough."""

from collections.abc import Callable

import pytest

from proxy.errors import ProtocolError
from proxy.http1 import fields
from proxy.http1.fields import connection_options, index, protocols
from proxy.http1.limits import MessageLimits
from proxy.http1.message import KeepAlive
from proxy.http1.parsing import chunked, head_parser
from proxy.http1.parsing import fast_path as fast_path_reader
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.parsing.strictness import asks_for_trailers, expects_continue
from proxy.http1.persistence import keep_alive
from proxy.http1.target import IS_AUTHORITY
from tests.harness.notation import request

LIMITS = MessageLimits()
READERS = pytest.mark.parametrize("fast_path", [True, False], ids=["auto", "h11"])
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def without_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads may be counted and searched, but not read."""
    monkeypatch.setattr(head_parser, "parse_request", None)
    monkeypatch.setattr(head_parser, "parse_response", None)
    monkeypatch.setattr(fast_path_reader, "gather", None)
    monkeypatch.setattr(fast_path_reader, "_FIELD_LINES", None)


def _read_whole(raw_head: bytes, take: Callable[[HeadParser], object], *, fast_path: bool) -> object:
    parser = HeadParser(LIMITS, fast_path=fast_path)
    parser.receive(raw_head)
    return take(parser)


@READERS
@pytest.mark.parametrize(("start", "take"), [(REQUEST, HeadParser.request_head), (RESPONSE, HeadParser.response_head)])
@pytest.mark.usefixtures("without_parsers")
def test_too_many_lines_are_counted_not_read(
    start: bytes, take: Callable[[HeadParser], object], fast_path: bool
) -> None:
    with pytest.raises(ProtocolError, match="too many field lines") as refused:
        _read_whole(start + b"a: \r\n" * 5_000 + b"\r\n", take, fast_path=fast_path)
    assert refused.value.status == 431


@READERS
@pytest.mark.usefixtures("without_parsers")
def test_a_long_head_is_not_read_before_its_end(fast_path: bool) -> None:
    assert _read_whole(REQUEST + b"a: \r\n" * 5_000, HeadParser.request_head, fast_path=fast_path) is None


@READERS
def test_lines_behind_a_head_do_not_count(fast_path: bool) -> None:
    head = _read_whole(REQUEST + b"\r\n" + b"a: \r\n" * 5_000, HeadParser.request_head, fast_path=fast_path)
    assert head == request("GET / HTTP/1.1|Host: h||")


@READERS
def test_the_highest_number_of_lines_is_read(fast_path: bool) -> None:
    for count, accepted in [(127, True), (128, False)]:
        raw_head = REQUEST + b"a: b\r\n" * count + b"\r\n"
        if accepted:
            assert _read_whole(raw_head, HeadParser.request_head, fast_path=fast_path) is not None
        else:
            with pytest.raises(ProtocolError, match="too many field lines"):
                _read_whole(raw_head, HeadParser.request_head, fast_path=fast_path)


@READERS
@pytest.mark.parametrize(
    ("field", "status"), [(b"Connection: " + b"a," * 9_000, 431), (b"Expect: " + b"100-continue," * 2_000, 417)]
)
def test_a_list_is_counted_before_h11_splits_it(
    monkeypatch: pytest.MonkeyPatch, field: bytes, status: int, fast_path: bool
) -> None:
    monkeypatch.setattr(head_parser, "parse_request", None)  # h11: not called
    monkeypatch.setattr(fields, "tokens", None)
    raw_head = REQUEST + field + b"x : y"[: 0 if fast_path and status == 431 else 5] + b"\r\n\r\n"
    with pytest.raises(ProtocolError) as refused:
        head = _read_whole(raw_head, HeadParser.request_head, fast_path=fast_path)
        expects_continue(head)  # type: ignore[arg-type]
    assert refused.value.status == status


def test_trailer_lines_are_counted_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "parse_trailers", None)
    with pytest.raises(ProtocolError, match="too many trailer fields"):
        ChunkedBody(LIMITS, with_h11=False).receive(b"0\r\n" + b"a: b\r\n" * 2_600 + b"\r\n")


def test_of_a_list_in_which_we_look_for_a_word_a_kilobyte_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    trailers, long = b"trailers", b"," * 1_024
    assert asks_for_trailers({b"te": [trailers]})
    assert not asks_for_trailers({b"te": [trailers, long]})
    assert protocols([b"websocket"]) == [b"websocket"]
    assert protocols([b"websocket", long]) == []
    assert keep_alive([b"timeout=5"]) == KeepAlive(5)
    assert keep_alive([b"timeout=5", long]) == KeepAlive()


def test_what_is_remembered_by_a_clients_words_is_short() -> None:
    for length, remembered in [(200, True), (5_000, False)]:
        text = b"h" * length
        assert IS_AUTHORITY[text]
        assert connection_options(index([(b"Connection", text)])) == {text}
        assert (text in IS_AUTHORITY, text in fields._OPTIONS) == (remembered, remembered)
