"""Chunks that arrived whole and say nothing but their size, as most do: read many at a time.

A peer may send one byte per chunk, ten thousand of them in one read: what costs a microsecond each is an attack.
"""

import re
from typing import Final

_PLAIN_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15}+)[ \t]{0,8}+\r\n")
_CRLF: Final = b"\r\n"

_RUN: Final = 512  # chunks read at a time
_MANY_DIGITS: Final = 16  # a size of one digit is below
_ALIKE: Final = 64  # so many of one size are taken out as one piece


def _tiny(zeros: bytes, space: bytes) -> bytes:
    sizes = range(1, 16)
    forms = [rb"[%x%X]%b\r\n[\x00-\xff]{%d}\r\n" % (size, size, space, size) for size in sizes]
    return rb"%b(?:%b)" % (zeros, b"|".join(forms))


# The groups are greedy, not possessive: see `fast_path`. Nothing follows them, so nothing is given back.
_TINY: Final = re.compile(_tiny(b"", b""))
_TINY_RUN: Final = re.compile(rb"(?:%b){3,%d}" % (_TINY.pattern, _RUN))
_PADDED: Final = re.compile(_tiny(b"0{0,14}+", rb"[ \t]{0,8}+"))
_PADDED_RUN: Final = re.compile(rb"(?:%b){3,%d}" % (_PADDED.pattern, _RUN))


def whole_chunks(data: bytes, position: int, pieces: list[bytes], most: int) -> int:
    """Add the data of the plain chunks from `position` on to `pieces`, until there are `most`.

    Returns where they end.
    """
    while len(pieces) < most and (line := _PLAIN_SIZE_LINE.match(data, position)) is not None:
        start, size = line.end(), int(line[1], 16)
        stop = start + size
        if not size or data[stop : stop + 2] != _CRLF:
            break
        pieces.append(data[start:stop])
        position = stop + 2
        if size < _MANY_DIGITS and most - len(pieces) >= _RUN:
            if (run := _TINY_RUN.match(data, position)) is not None:
                pieces += _of_tiny_chunks(run[0])
                position = run.end()
            elif (run := _PADDED_RUN.match(data, position)) is not None:
                pieces += [chunk.partition(_CRLF)[2][:-2] for chunk in _PADDED.findall(run[0])]
                position = run.end()
    return position


def _of_tiny_chunks(run: bytes) -> list[bytes]:
    """The data of chunks with one digit, known to be well formed."""
    size = int(run[:1], 16)
    period = size + 5
    if len(run) >= period * _ALIKE and run[::period] == run[:1] * (len(run) // period):
        # All of one size: the first is, so the second begins a period later, and has the same digit; and so on.
        data = bytearray(size * (len(run) // period))
        for at in range(size):
            data[at::size] = run[3 + at :: period]
        return [bytes(data)]
    return [chunk[3:-2] for chunk in _TINY.findall(run)]
