"""Chunks that arrived whole, many at a time: the same data as one by one, and a bounded number of steps."""

import random

import pytest

from proxy.errors import ProtocolError
from proxy.http1 import writer
from proxy.http1.limits import MessageLimits
from proxy.http1.parsing import whole_chunks as module
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.whole_chunks import only_chunk, whole_chunks
from tests.harness.notation import wire

LIMITS = MessageLimits()
FORMS = [b"%x", b"%X", b"0%x", b"%x ", b"000000000000%x", b"%02x"]


def _chunk(form: bytes, data: bytes) -> bytes:
    return form % len(data) + b"\r\n" + data + b"\r\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 2, 9, 10, 15, 16, 17, 300])
def test_many_chunks_of_one_size_are_read_as_they_stand(form: bytes, size: int) -> None:
    body = random.Random(size).randbytes(size * 700)
    coded = b"".join(_chunk(form, body[at : at + size]) for at in range(0, len(body), size))
    pieces: list[bytes] = []
    assert whole_chunks(coded + b"1\r\n", 0, pieces, 2_048) == (len(coded), 700)
    assert b"".join(pieces) == body


@pytest.mark.parametrize(("coded", "size"), [
    (b"3\r\nabc\r\n", 3),
    (b"a\r\n1\r\na\r\n1\r\nb\r\n", 10),  # its data are chunks
    (b"2\r\n\r\n\r\n", 2),
    (b"12c\r\n" + b"x" * 300 + b"\r\n", 300),
    (b"12C\r\n" + b"x" * 300 + b"\r\n", 0),  # from here on: not one chunk, or a writer would write it in another way
    (b"03\r\nabc\r\n", 0),
    (b"3 \r\nabc\r\n", 0),
    (b"3;a\r\nabc\r\n", 0),
    (b"0\r\n\r\n", 0),
    (b"3\r\nabc\r\n1\r\nd\r\n", 0),
    (b"3\r\nabc\r\n\r\n", 0),
    (b"3\r\nabc\r\n0\r\n\r\n", 0),
    (b"3\r\nab\r\n", 0),
    (b"3\r\nabcd\r\n", 0),
    (b"3\r\nabc\r", 0),
    (b"3\r\nabc\n\n", 0),
    (b"3\nabc\r\n", 0),
    (b"-1\r\n", 0),
    (b"1\r\n\r\n", 0),
    (b"g\r\n" + b"x" * 16 + b"\r\n", 0),
    (b"\r\n", 0),
    (b"\r\n\r\n", 0),
    (b"3", 0),
    (b"", 0),
])  # fmt: skip
def test_one_chunk_that_a_writer_would_write_just_so(coded: bytes, size: int) -> None:
    assert only_chunk(coded) == size


@pytest.mark.parametrize("form", FORMS)
def test_what_is_passed_on_as_it_stands_is_what_would_be_written(form: bytes) -> None:
    chance = random.Random(form)
    passed = 0
    for _ in range(500):
        body = chance.choice((b"\r\n", b"1\r\n", b"a")) * chance.randrange(1, 12)
        coded = _chunk(form, body)
        coded = chance.choice((coded, coded, coded + coded, coded[:-1], coded[1:], coded + b"\n"))
        size = only_chunk(coded)
        if size:
            assert coded[-size - 2 : -2] == body[-size:]
            assert coded == b"".join(writer.chunks([coded[-size - 2 : -2]]))
            passed += 1
    assert (passed > 0) is (form in (b"%x", b"%X", b"%02x", b"0%x"))


@pytest.mark.parametrize(
    "before", ["3|a", "9|3|abc|", "3|abc", "3|abc\r", "3", "3\r", "3;", "3 ", "0|", "0||", "0|A: 1|"]
)
def test_only_what_begins_with_a_size_line_is_received_as_one_chunk(before: str) -> None:
    body = ChunkedBody(LIMITS, with_h11=False)
    body.receive(wire(before))
    received = body.received_bytes
    assert not body.receive_only_chunk(b"3\r\nabc\r\n")
    assert body.received_bytes == received


def test_one_chunk_is_received_between_others() -> None:
    body = ChunkedBody(LIMITS, with_h11=False)
    assert body.receive(b"1\r\na\r\n") == [b"a"]
    assert body.receive_only_chunk(b"2\r\nbc\r\n")
    assert not body.receive_only_chunk(b"2\r\nbc\r\n1\r\nd\r\n")
    assert body.received_bytes == 3
    assert body.receive(b"1\r\nd\r\n0\r\n\r\n") == [b"d"]
    assert (body.complete, body.received_bytes) == (True, 4)
    assert not ChunkedBody(LIMITS, with_h11=True).receive_only_chunk(b"2\r\nbc\r\n")  # h11 has to see it


def test_chunks_of_all_forms_and_sizes_are_read_as_they_stand() -> None:
    chance = random.Random(7)
    for _ in range(50):
        parts = [chance.choice((b"\r\n", b"1\r\n", b"a")) * chance.randrange(1, 9) for _ in range(900)]
        coded = b"".join(_chunk(chance.choice(FORMS[: chance.randrange(1, 7)]), part) for part in parts)
        body, got, rest = ChunkedBody(LIMITS, with_h11=False), [], coded + b"0\r\n\r\n"
        while rest:
            got += body.receive(rest)
            rest = body.left_over
        assert b"".join(got) == b"".join(parts)
        assert body.complete


@pytest.mark.parametrize(
    "broken", [b"1\r\nab\r\n", b"2\r\na\r\n", b"g\r\na\r\n", b"1\r\na\n", b"1\na\r\n", b"-1\r\na\r\n"]
)
def test_a_broken_chunk_among_tiny_ones_is_refused(broken: bytes) -> None:
    for before in (0, 3, 511, 512, 600):
        body = ChunkedBody(LIMITS, with_h11=False)
        with pytest.raises(ProtocolError):
            body.receive(b"1\r\na\r\n" * before + broken + b"1\r\na\r\n" * 600)
        assert b"".join(body.before_fault).startswith(b"a" * before)


@pytest.mark.interpreted
@pytest.mark.parametrize("chunk", [b"1\r\na\r\n", b"1\r\na\r\n2\r\nab\r\n", b"01\r\na\r\n", b"1 \r\na\r\n"])
def test_tiny_chunks_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch, chunk: bytes) -> None:
    in_runs = 0
    run = module._by_splitting

    def counting(window: bytes, most: int, joined: list[bytes]) -> tuple[int, int]:
        nonlocal in_runs
        found, length = run(window, most, joined)
        in_runs += found
        return found, length

    monkeypatch.setattr(module, "_by_splitting", counting)
    _, count = whole_chunks(chunk * 1_000, 0, [], 4_096)
    assert count == 1_000 * (chunk.count(b"\r\n") // 2)
    assert count - in_runs < 10


def test_no_more_pieces_than_asked_for() -> None:
    for most in (1, 128, 512, 600, 2_048):
        for turn in (b"1\r\na\r\n2\r\nab\r\n", b"1\r\na\r\n2\r\n\r\n\r\n"):
            pieces: list[bytes] = []
            end, count = whole_chunks(turn * 3_000, 0, pieces, most)
            assert count == most
            assert end == most // 2 * len(turn) + most % 2 * 6
            assert len(b"".join(pieces)) == most // 2 * 3 + most % 2


@pytest.mark.parametrize("line", [b"1;\r\n", b"1;a=b\r\n", b"00000000000000000001\r\n"])
def test_thousands_of_size_lines_with_more_than_a_size_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="too many chunk extensions"):
        ChunkedBody(LIMITS, with_h11=False).receive(line.join([b"", *[b"a\r\n"] * 600]))


def test_signed_chunks_may_go_on_for_ever() -> None:
    body = ChunkedBody(LIMITS, with_h11=False)
    for _ in range(2_000):
        assert body.receive(b"2000;chunk-signature=%b\r\n" % (b"f" * 64) + b"x" * 8_192 + b"\r\n")


@pytest.mark.interpreted
@pytest.mark.parametrize("turn", [b"2\r\n\r\n\r\n", b"1\r\na\r\n2\r\n\r\n\r\n", b"1\r\na\r\n" * 100 + b"2\r\n\r\n\r\n"])
def test_line_ends_in_the_data_do_not_make_chunks_be_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch, turn: bytes
) -> None:
    looked_at, calls = 0, 0
    split, read = module._by_splitting, module._by_iterators

    def split_counting(window: bytes, most: int, joined: list[bytes]) -> tuple[int, int]:
        nonlocal looked_at, calls
        looked_at, calls = looked_at + len(window), calls + 1
        return split(window, most, joined)

    def read_counting(data: bytes, position: int, most: int, joined: list[bytes]) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        return read(data, position, most, joined)

    monkeypatch.setattr(module, "_by_splitting", split_counting)
    monkeypatch.setattr(module, "_by_iterators", read_counting)
    coded = turn * (60_000 // len(turn))
    assert whole_chunks(coded, 0, [], 1 << 20)[0] == len(coded)
    assert looked_at < 2 * len(coded)
    assert calls < 20


def test_a_bad_end_among_chunks_with_line_ends_is_found_where_it_is() -> None:
    for before in (0, 1, 126, 127, 128, 129, 300):
        good = b"2\r\n\r\n\r\n" * before
        for bad in (
            b"2\r\n\r\nab",
            b"2\r\n\r\n\n",
            b"1\r\n\r\n",
            b"2\r\n\r\n\r",
            b"2\r\n\r\n",
            b"2\r\n\r",
            b"2\r\n",
            b"2",
        ):
            pieces: list[bytes] = []
            assert whole_chunks(good + bad, 0, pieces, 1 << 20) == (len(good), before)
            assert b"".join(pieces) == b"\r\n" * before


def test_an_extension_among_chunks_with_line_ends_is_left_to_the_slower_reader() -> None:
    good, rest = b"2\r\n\r\n\r\n" * 200, b"2;a\r\nab\r\n" + b"2\r\n\r\n\r\n" * 9
    assert whole_chunks(good + rest, 0, [], 1 << 20) == (len(good), 200)


@pytest.mark.parametrize("line", [b"1\t", b"1         ", b"01 ", b"0000000000000001"])
def test_padding_that_no_sender_writes_counts_as_an_extension_however_it_is_split(line: bytes) -> None:
    coded = (line + b"\r\na\r\n") * 600
    for step in (1, 2, 3, 7, len(coded)):
        body = ChunkedBody(LIMITS, with_h11=False)
        with pytest.raises(ProtocolError, match="too many chunk extensions"):
            for at in range(0, len(coded), step):
                body.receive(coded[at : at + step])


@pytest.mark.parametrize("line", [b"1 ", b"1        ", b"000000000000001"])
def test_usual_padding_may_go_on_for_ever_however_it_is_split(line: bytes) -> None:
    coded = (line + b"\r\na\r\n") * 2_000
    for step in (1, 2, 3, 7, 4_096):
        body = ChunkedBody(LIMITS, with_h11=False)
        got = [piece for at in range(0, len(coded), step) for piece in body.receive(coded[at : at + step])]
        assert b"".join(got) == b"a" * 2_000
        assert body.received_bytes == 2_000


def _outcome(coded: bytes, step: int) -> tuple[bytes, str, bool]:
    """The body, what was wrong, and whether it is complete, where `step` bytes arrive at once."""
    body = ChunkedBody(LIMITS, with_h11=False)
    got: list[bytes] = []
    try:
        for at in range(0, len(coded), step):
            rest = coded[at : at + step]
            while rest and not body.complete:
                got += body.receive(rest)
                rest = body.left_over
    except ProtocolError as exc:
        return b"".join(got + body.before_fault), f"{exc.status} {exc}", False
    assert body.received_bytes == len(b"".join(got))
    return b"".join(got), "", body.complete


def test_many_chunks_mean_the_same_however_they_are_split_and_wherever_they_are_broken() -> None:
    chance = random.Random(11)
    refused = 0
    for _ in range(40):
        texts = chance.sample([b"a", b"\r\n", b"1\r\na\r\n", b"\n", b"x" * 70, b"y" * 600], 3)
        forms = chance.sample([*FORMS, b"%x;a"], 2)
        chunks = [
            _chunk(chance.choice(forms[: chance.randrange(1, 3)]), chance.choice(texts) * chance.randrange(1, 4))
            for _ in range(chance.choice((5, 140, 300)))
        ]
        coded = b"".join(chunks) + b"0\r\n\r\n"
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(coded))
            coded = coded[:at] + chance.choice((b"", b"\r\n", b"1", b"\n", b" ")) + coded[at + 1 :]
        expected = _outcome(coded, 1)
        refused += bool(expected[1])
        for step in (2, 61, 4_000, len(coded)):
            assert _outcome(coded, step) == expected
    assert 10 < refused < 38


def test_pieces_of_bodies_are_not_remembered_as_if_they_were_sizes() -> None:
    data = b"user=1\r\npassword=hunter2\r\nuser=2\r\n"
    coded = b"".join(_chunk(b"%x", data) for _ in range(300))
    pieces: list[bytes] = []
    whole_chunks(coded, 0, pieces, 2_048)
    assert b"".join(pieces) == data * 300
    remembered = [*module._SIZES, *module._LENGTHS]
    assert remembered
    assert not [line for line in remembered if b"hunter2" in line]
