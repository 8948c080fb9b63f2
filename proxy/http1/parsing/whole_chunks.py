"""Reads many chunks at once, where they arrived whole and have no extensions, as most do.

A peer may send ten thousand chunks of one byte in one read: at a microsecond for each, that would be an attack.
"""

import re
from typing import Final

from proxy.http1.remembered import Remembered

_PLAIN_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15}+)[ \t]{0,8}+")
_LONGEST_LINE: Final = 15 + 8 + 2
_CRLF: Final = b"\r\n"

_SMALL: Final = 64  # bytes of data: after a chunk of at most this size, a run of such chunks is looked for
#: Bytes that are searched for a run, at first and at most. The window grows with each success, so that a search in vain
#: costs less than those before it that found something.
_FIRST_WINDOW: Final = 64
_WINDOW: Final = 16_384
_NO_SIZE: Final = -1


def _plain_size(line: bytes) -> int:
    """The size in a size line; `_NO_SIZE` where there is more in the line, or it is the last chunk's."""
    found = _PLAIN_SIZE.fullmatch(line)
    return (int(found[1], 16) or _NO_SIZE) if found is not None else _NO_SIZE


_SIZES: Final = Remembered(_plain_size, 1024)


def whole_chunks(data: bytes, position: int, pieces: list[bytes], most: int) -> int:
    """Add the data of the plain chunks from `position` on to `pieces`, until there are `most`.

    Returns where they end.
    """
    while len(pieces) < most and (line_end := data.find(_CRLF, position, position + _LONGEST_LINE)) >= 0:
        start, size = line_end + 2, _SIZES[data[position:line_end]]
        stop = start + size
        if size == _NO_SIZE or not data.startswith(_CRLF, stop):
            break
        pieces.append(data[start:stop])
        position = stop + 2
        if size > _SMALL:
            continue
        window = max(_FIRST_WINDOW, 4 * size)
        while (room := most - len(pieces)) > 0:
            run, length = _run(data[position : position + window], room)
            pieces += run
            position += length
            if 2 * length < window:  # something else than a small chunk follows, or nothing
                break
            window = min(2 * window, _WINDOW)
    return position


def _run(window: bytes, most: int) -> tuple[list[bytes], int]:
    """The data of the chunks that `window` begins with, and how many bytes they take. Stops at data with a line end in
    it, which is read alone."""
    parts = window.split(_CRLF)
    count = min((len(parts) - 1) // 2, most)
    lines, data = parts[: 2 * count : 2], parts[1 : 2 * count : 2]
    lengths = list(map(len, data))
    sizes = list(map(_SIZES.__getitem__, lines))
    if sizes != lengths:
        count = next(at for at, size in enumerate(sizes) if size != lengths[at])
        lines, data, lengths = lines[:count], data[:count], lengths[:count]
    return data, sum(map(len, lines)) + sum(lengths) + 4 * count
