"""Reads many chunks at once, where they have arrived whole and have no extensions: most are like that.

A peer may send ten thousand chunks of one byte in one read. At a microsecond for each, it could use up a CPU with
little effort. So a run of small chunks is read by few calls, each of which takes hundreds of them:

- `_by_splitting` splits the bytes at line ends (`bytes.split`), which looks at each byte;
- `_by_iterators` reads a size line and then as many bytes as it says, by iterators that are written in C. It is for
  data with line ends in it, and for chunks so long that looking at each byte costs more.
"""

import re
from io import BytesIO
from itertools import islice
from operator import itemgetter
from typing import Final

from proxy.http1.remembered import Remembered

#: Blanks behind a size are padding (RFC 9112 §7.1.1), as are leading zeros. No sender writes both; accepting both would
#: let a peer fill the tables below with combinations.
_PLAIN_SIZE: Final = re.compile(rb"(?!0[0-9A-Fa-f]*+ )([0-9A-Fa-f]{1,15}+) {0,8}+")
_LONGEST_LINE: Final = 15 + 8 + 2
_CRLF: Final = b"\r\n"

_SMALL: Final = 512  # bytes of data: chunks of at most this size are joined
_TINY: Final = 64  # bytes of data
#: How many tiny or small chunks are read one by one before a run is read at once: beginning one costs as much as ten.
_TINY_ONE_BY_ONE: Final = 8
_SMALL_ONE_BY_ONE: Final = 32
#: How many bytes are split at first, and at most. The window doubles with each success, so that the last one, which
#: finds little, costs less than those before it.
_FIRST_WINDOW: Final = 64
_LARGEST_WINDOW: Final = 16_384
#: Bytes of a chunk, its size line included, from which on iterators cost less than splitting.
_LONG_CHUNK: Final = 64
#: How many chunks one chain of iterators reads. Where they are not all whole, they are checked one by one.
_BLOCK: Final = 128
#: How many bytes must be left for a chain of iterators to cost less than reading one by one.
_LEAST_FOR_ITERATORS: Final = 64
_NO_SIZE: Final = -1
_LAST_CHUNK_LINE: Final = b"0"
_ZERO: Final = b"0"
#: Hexadecimal digits as `http1.writer` writes them. No read is so large that its size has eight.
_DIGIT_0: Final = 0x30
_DIGIT_9: Final = 0x39
_LETTER_A: Final = 0x61
_LETTER_F: Final = 0x66
_MOST_DIGITS: Final = 8
#: How many size lines are remembered. Reading one that is not costs as much as five chunks.
_MOST_LINES: Final = 8_192
_without_end: Final = itemgetter(slice(-2))


def is_plain(line: bytes) -> bool:
    """Whether a size line has no extension, and no more padding than senders write."""
    return _PLAIN_SIZE.fullmatch(line) is not None


def _plain_size(line: bytes) -> int:
    """The size in a size line; `_NO_SIZE` where there is more in the line, or it is the last chunk's."""
    found = _PLAIN_SIZE.fullmatch(line)
    return (int(found[1], 16) or _NO_SIZE) if found is not None else _NO_SIZE


def _length_or_stop(line: bytes) -> int:
    """How long a chunk's data and the CRLF behind it are, from its size line (with CRLF). Raises StopIteration, which
    ends the iterators that ask, where the line is not plain or the last chunk's."""
    size = _plain_size(line[:-2]) if line.endswith(_CRLF) else _NO_SIZE
    if size == _NO_SIZE:
        raise StopIteration
    return size + 2


def _is_size(size: int) -> bool:
    return size != _NO_SIZE


#: Only lines that are sizes are remembered: others may be a piece of somebody's body.
_SIZES: Final = Remembered(_plain_size, _MOST_LINES, _is_size)
_LENGTHS: Final = Remembered(_length_or_stop, _MOST_LINES)


def only_chunk(data: bytes) -> int:
    """The size of the one chunk of which `data` consists, where `http1.writer` would write the very same bytes for it;
    else 0."""
    if data[-2:] != _CRLF or data[:1] == _ZERO:
        return 0
    size = line_end = 0
    while line_end < _MOST_DIGITS:
        byte = data[line_end]  # digit by digit: where this is compiled, `find` costs more than all of this
        if _DIGIT_0 <= byte <= _DIGIT_9:
            size = size * 16 + byte - _DIGIT_0
        elif _LETTER_A <= byte <= _LETTER_F:
            size = size * 16 + byte - _LETTER_A + 10
        else:
            break
        line_end += 1
    if size == 0 or len(data) != line_end + size + 4 or data[line_end : line_end + 2] != _CRLF:
        return 0
    return size


def whole_chunks(data: bytes, position: int, pieces: list[bytes], most: int) -> tuple[int, int]:
    """Read the whole, plain chunks in `data` from `position` on, at most `most` of them, up to the last chunk.

    Adds their data to `pieces`, that of small ones joined. Returns where they end, and how many they are.
    """
    count = 0
    small: list[bytes] = []  # what is to be joined
    while count < most and (line_end := data.find(_CRLF, position, position + _LONGEST_LINE)) >= 0:
        line = data[position:line_end]
        if line == _LAST_CHUNK_LINE:  # is not remembered, so that looking it up would read it anew each time
            break
        start, size = line_end + 2, _SIZES[line]
        stop = start + size
        if size == _NO_SIZE or data[stop : stop + 2] != _CRLF:
            break
        position = stop + 2
        count += 1
        if size > _SMALL:
            if small:
                pieces.append(b"".join(small))
                small = []
            pieces.append(data[start:stop])
            continue
        small.append(data[start:stop])
        if len(small) < (_SMALL_ONE_BY_ONE if size > _TINY else _TINY_ONE_BY_ONE):
            continue
        window = max(_FIRST_WINDOW, 4 * size)
        while count < most:
            found, length = _by_splitting(data[position : position + window], most - count, small)
            count += found
            position += length
            # Line ends in the data, no small chunks any more, or nothing left; or `_by_iterators` is faster.
            if 2 * length < window or length > _LONG_CHUNK * found:
                break
            # No larger than the chunks that may still be read: the rest would be split in vain.
            window = min(2 * window, _LARGEST_WINDOW, (most - count) * length // found + _FIRST_WINDOW)
        if count < most and len(data) - position > _LEAST_FOR_ITERATORS:
            found, position = _by_iterators(data, position, most - count, small)
            count += found
    if small:
        pieces.append(small[0] if len(small) == 1 else b"".join(small))
    return position, count


# Both join what they find at once: its memory can then be used for the next chunks.


def _by_splitting(window: bytes, most: int, joined: list[bytes]) -> tuple[int, int]:
    """Append the data of the chunks that `window` begins with, joined, to `joined`: up to the first with a line end in
    its data. Return how many they are, and how many bytes of `window` they take."""
    parts = window.split(_CRLF)
    count = min((len(parts) - 1) // 2, most)
    rest = parts[2 * count :]
    lines, data = parts[: 2 * count : 2], parts[1 : 2 * count : 2]
    sizes, lengths = _sizes(lines), list(map(len, data))
    if sizes != lengths:
        count = next(at for at, size in enumerate(sizes) if size != lengths[at])
        rest = parts[2 * count :]
        del data[count:]
    joined.append(b"".join(data))
    return count, len(window) - sum(map(len, rest)) - 2 * (len(rest) - 1)


def _sizes(lines: list[bytes]) -> list[int]:
    """The sizes in these lines: one call for all costs half of what one for each does."""
    return list(itemgetter(*lines)(_SIZES)) if len(lines) > 1 else [_SIZES[line] for line in lines]


def _by_iterators(data: bytes, position: int, most: int, joined: list[bytes]) -> tuple[int, int]:
    """Append the data of the plain chunks from `position` on, joined, to `joined`, whatever bytes it holds. Return how
    many they are, and where they end."""
    left, end = most, len(data)
    file = BytesIO(data)  # shares the bytes
    file.seek(position)
    while left > 0:
        # A size line is read, then as many bytes as it says and the CRLF behind them, and so on.
        count = min(left, _BLOCK)
        bodies = list(islice(map(file.read, map(_LENGTHS.__getitem__, file)), count))
        run = list(map(_without_end, bodies))
        if len(run) == count and file.tell() < end and b"".join(bodies) == _CRLF.join(run) + _CRLF:
            position = file.tell()
        else:  # the last one is cut, or something else than a CRLF stands behind one
            count, position = _count_whole(data, position, run)
            del run[count:]
        joined.append(b"".join(run))
        left -= count
        if count < _BLOCK:
            break
    return most - left, position


def _count_whole(data: bytes, position: int, run: list[bytes]) -> tuple[int, int]:
    """Of `run`, the data that was read from `position` on: how many are of whole chunks, and where those end."""
    for count, body in enumerate(run):
        line_end = data.find(_CRLF, position)
        stop = line_end + 2 + len(body)
        if _SIZES[data[position:line_end]] != len(body) or not data.startswith(_CRLF, stop):
            return count, position
        position = stop + 2
    return len(run), position
