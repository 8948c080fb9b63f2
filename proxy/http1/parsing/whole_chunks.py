"""Reads many chunks at once, where they arrived whole and have no extensions, as most do.

A peer may send ten thousand chunks of one byte in one read: at a microsecond for each, that would be an attack. So
small ones are read by calls that each take hundreds: by `bytes.split`, or, where line ends in the data forbid that, or
chunks are so long that looking at each byte costs more, by iterators that read a line and then as much as it says.
"""

import re
from io import BytesIO
from itertools import islice
from operator import itemgetter
from typing import Final

from proxy.http1.remembered import Remembered

#: Blanks behind a size are padding (RFC 9112 §7.1.1), as are leading zeros. No sender writes both, and each combination
#: would have a place in the table below.
_PLAIN_SIZE: Final = re.compile(rb"(?!0[0-9A-Fa-f]*+ )([0-9A-Fa-f]{1,15}+) {0,8}+")
_LONGEST_LINE: Final = 15 + 8 + 2
_CRLF: Final = b"\r\n"

_SMALL: Final = 512  # bytes of data: chunks of at most this size are joined
#: After so many of them, tiny or not, a run of chunks is looked for, which costs as much as ten read one by one.
_FEW_TINY: Final = 8
_FEW: Final = 32
_TINY: Final = 64
#: Bytes that are searched for a run, at first and at most. The window grows with each success, so that a search in vain
#: costs less than those before it that found something.
_FIRST_WINDOW: Final = 64
_WINDOW: Final = 16_384
#: Bytes of a chunk, its size line included, from which on iterators cost less than splitting, which looks at each byte.
_LONG: Final = 64
#: Chunks that are read by one chain of iterators: of the last one, the end is searched for chunk by chunk.
_BLOCK: Final = 128
#: Bytes from which on such a chain is worth its cost.
_WORTH: Final = 64
_NO_SIZE: Final = -1
_LAST: Final = b"0"  # the line of the last chunk
#: Size lines that are remembered: a miss costs as much as five chunks.
_LINES: Final = 8_192
_without_end: Final = itemgetter(slice(-2))


def is_plain(line: bytes) -> bool:
    """Whether a size line has no extension, and no more padding than senders write."""
    return _PLAIN_SIZE.fullmatch(line) is not None


def _plain_size(line: bytes) -> int:
    """The size in a size line; `_NO_SIZE` where there is more in the line, or it is the last chunk's."""
    found = _PLAIN_SIZE.fullmatch(line)
    return (int(found[1], 16) or _NO_SIZE) if found is not None else _NO_SIZE


def _length_or_stop(line: bytes) -> int:
    """The length of a chunk's data and the CRLF behind it, by its plain size line with its CRLF. Raises StopIteration,
    which ends the iterators that ask, where it is another line."""
    size = _plain_size(line[:-2]) if line.endswith(_CRLF) else _NO_SIZE
    if size == _NO_SIZE:
        raise StopIteration
    return size + 2


def _is_size(size: int) -> bool:
    return size != _NO_SIZE


#: Nothing but sizes is remembered: what stands where a size is looked for may be a piece of somebody's body.
_SIZES: Final = Remembered(_plain_size, _LINES, _is_size)
_LENGTHS: Final = Remembered(_length_or_stop, _LINES)


def whole_chunks(data: bytes, position: int, pieces: list[bytes], most: int) -> tuple[int, int]:
    """Add the data of the plain chunks from `position` on to `pieces`, that of small ones joined.

    Returns where they end, and how many they are: `most` at most.
    """
    count = 0
    small: list[bytes] = []  # what is to be joined
    while count < most and (line_end := data.find(_CRLF, position, position + _LONGEST_LINE)) >= 0:
        line = data[position:line_end]
        if line == _LAST:  # nothing but sizes is remembered: it would be read anew each time
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
        if len(small) < (_FEW if size > _TINY else _FEW_TINY):
            continue
        window = max(_FIRST_WINDOW, 4 * size)
        while count < most:
            found, length = _split(data[position : position + window], most - count, small)
            count += found
            position += length
            # Line ends in the data, something else than small chunks, or nothing more; or `_read` is faster.
            if 2 * length < window or length > _LONG * found:
                break
            # No more than what is left to be read: what is split beyond that is split in vain.
            window = min(2 * window, _WINDOW, (most - count) * length // found + _FIRST_WINDOW)
        if count < most and len(data) - position > _WORTH:
            found, position = _read(data, position, most - count, small)
            count += found
    if small:
        pieces.append(small[0] if len(small) == 1 else b"".join(small))
    return position, count


# Both join what they find at once: memory that was just freed is at hand for the next chunks.


def _split(window: bytes, most: int, joined: list[bytes]) -> tuple[int, int]:
    """Join the data of the chunks that `window` begins with, up to data with a line end in it. Returns how many they
    are, and how many bytes they take."""
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
    """The sizes in these lines. One call for all costs half of a call for each."""
    return list(itemgetter(*lines)(_SIZES)) if len(lines) > 1 else [_SIZES[line] for line in lines]


def _read(data: bytes, position: int, most: int, joined: list[bytes]) -> tuple[int, int]:
    """Join the data of the plain chunks from `position` on, whatever is in it. Returns how many they are, and where
    they end."""
    left, end = most, len(data)
    file = BytesIO(data)  # shares the bytes
    file.seek(position)
    while left > 0:
        # A line is read, and then as much as it says, the line end behind the data included.
        count = min(left, _BLOCK)
        bodies = list(islice(map(file.read, map(_LENGTHS.__getitem__, file)), count))
        run = list(map(_without_end, bodies))
        if len(run) == count and file.tell() < end and b"".join(bodies) == _CRLF.join(run) + _CRLF:
            position = file.tell()
        else:  # the last one may be cut, or end in something else
            count, position = _whole(data, position, run)
            del run[count:]
        joined.append(b"".join(run))
        left -= count
        if count < _BLOCK:
            break
    return most - left, position


def _whole(data: bytes, position: int, run: list[bytes]) -> tuple[int, int]:
    """How many of these are the data of whole chunks from `position` on, and where those end."""
    for count, body in enumerate(run):
        line_end = data.find(_CRLF, position)
        stop = line_end + 2 + len(body)
        if _SIZES[data[position:line_end]] != len(body) or not data.startswith(_CRLF, stop):
            return count, position
        position = stop + 2
    return len(run), position
