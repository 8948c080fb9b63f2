"""Chunks that arrived whole, many at a time: the same data as one by one, and a bounded number of steps."""

import random

import pytest

from proxy.errors import ProtocolError
from proxy.http1.limits import MessageLimits
from proxy.http1.parsing import whole_chunks as module
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.whole_chunks import whole_chunks

LIMITS = MessageLimits()
FORMS = [b"%x", b"%X", b"0%x", b"%x ", b"000000000000%x\t ", b"%02x"]


def _chunk(form: bytes, data: bytes) -> bytes:
    return form % len(data) + b"\r\n" + data + b"\r\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 2, 9, 10, 15, 16, 17, 300])
def test_many_chunks_of_one_size_are_read_as_they_stand(form: bytes, size: int) -> None:
    body = random.Random(size).randbytes(size * 700)
    coded = b"".join(_chunk(form, body[at : at + size]) for at in range(0, len(body), size))
    pieces: list[bytes] = []
    assert whole_chunks(coded + b"1\r\n", 0, pieces, 2_048) == len(coded)
    assert b"".join(pieces) == body


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
    run = module._run

    def counting(window: bytes, most: int) -> tuple[list[bytes], int]:
        nonlocal in_runs
        found, length = run(window, most)
        in_runs += len(found)
        return found, length

    monkeypatch.setattr(module, "_run", counting)
    pieces: list[bytes] = []
    assert whole_chunks(chunk * 1_000, 0, pieces, 4_096) == len(chunk) * 1_000
    assert len(pieces) - in_runs < 10


def test_no_more_pieces_than_asked_for() -> None:
    for most in (1, 128, 512, 600, 2_048):
        pieces: list[bytes] = []
        whole_chunks(b"1\r\na\r\n2\r\nab\r\n" * 3_000, 0, pieces, most)
        assert len(pieces) == most


@pytest.mark.parametrize("line", [b"1;\r\n", b"1;a=b\r\n", b"00000000000000000001\r\n"])
def test_thousands_of_size_lines_with_more_than_a_size_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="too many chunk extensions"):
        ChunkedBody(LIMITS, with_h11=False).receive(line.join([b"", *[b"a\r\n"] * 600]))


def test_signed_chunks_may_go_on_for_ever() -> None:
    body = ChunkedBody(LIMITS, with_h11=False)
    for _ in range(2_000):
        assert body.receive(b"2000;chunk-signature=%b\r\n" % (b"f" * 64) + b"x" * 8_192 + b"\r\n")


@pytest.mark.parametrize("turn", [b"2\r\n\r\n\r\n", b"1\r\na\r\n2\r\n\r\n\r\n", b"1\r\na\r\n" * 100 + b"2\r\n\r\n\r\n"])
def test_line_ends_in_the_data_cost_linear_time(monkeypatch: pytest.MonkeyPatch, turn: bytes) -> None:
    looked_at = 0
    run = module._run

    def counting(window: bytes, most: int) -> tuple[list[bytes], int]:
        nonlocal looked_at
        looked_at += len(window)
        return run(window, most)

    monkeypatch.setattr(module, "_run", counting)
    coded = turn * (60_000 // len(turn))
    assert whole_chunks(coded, 0, [], 1 << 20) == len(coded)
    assert looked_at < 20 * len(coded)
