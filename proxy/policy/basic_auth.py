"""User names and passwords: those of a request (RFC 7617), and the file of users.

The file is htpasswd's: a line for each user, `NAME:HASH`; lines that are empty or begin with `#` are skipped. Only
bcrypt is taken: the other hashes of htpasswd can be guessed a billion times a second once the file has leaked.
"""

import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final

_BCRYPT: Final = re.compile(rb"\$2[abxy]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_CONTROL: Final = re.compile(rb"[\0-\x1f\x7f]")  # no field can say them
_COSTS: Final = range(4, 16)  # bcrypt's least; at 15, a password takes two seconds
_KINDS: Final = {
    b"$apr1$": "MD5 (apr1)", b"$1$": "MD5", b"{SHA}": "SHA-1", b"{SSHA}": "SHA-1", b"$5$": "SHA-256 (crypt)",
    b"$6$": "SHA-512 (crypt)", b"$argon2": "Argon2", b"$y$": "yescrypt", b"$scrypt$": "scrypt",
    b"$2": "a broken bcrypt",
}  # fmt: skip
_BYTES_HASHED: Final = 72  # of a password: bcrypt reads no more, and libraries cut it or refuse it


class Users:
    """The users of a file, each with the hash of the password."""

    def __init__(self, hashes: Mapping[bytes, bytes]) -> None:
        self.hashes = hashes
        cost = max((int(_cost(one)) for one in hashes.values()), default=_COSTS[0])
        #: What the password of an unknown user is compared with: as slow as the slowest known one, so that the time
        #: does not tell which names exist; and no password matches it.
        self.nobody = b"$2b$%02d$" % cost + b"." * 53


def parse_users(text: bytes) -> Users:
    """Read an htpasswd file. Raises ValueError, whose text begins with the number of the line."""
    hashes: dict[bytes, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        name, colon, hashed = line.partition(b":")
        if not colon or not name:
            raise ValueError(f"{number}: expected NAME:HASH, as htpasswd -B writes it")
        shown = name.decode("utf-8", "backslashreplace")
        if _CONTROL.search(name):
            raise ValueError(f"{number}: {shown!r} holds a control character")
        if name in hashes:
            raise ValueError(f"{number}: {shown} has a line already")
        found = _BCRYPT.fullmatch(hashed := hashed.strip())
        if found is None:
            kind = next((kind for start, kind in _KINDS.items() if hashed.startswith(start)), "something else")
            raise ValueError(
                f"{number}: the password of {shown} is hashed by {kind}: only bcrypt is taken (htpasswd -B)"
            )
        if int(found[1]) not in _COSTS:
            expected = f"expected {_COSTS[0]} to {_COSTS[-1]}"
            raise ValueError(f"{number}: the password of {shown} has a cost of {int(found[1])}: {expected}")
        hashes[name] = hashed
    if not hashes:
        raise ValueError("1: no users: htpasswd -B FILE NAME adds one")
    return Users(hashes)


def credentials(authorization: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Name and password of a request, from the values of its `Authorization`; None where it has none."""
    if len(authorization) != 1:
        return None
    scheme, _, encoded = authorization[0].partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = binascii.a2b_base64(encoded.strip(b" "), strict_mode=True).partition(b":")
    except binascii.Error:
        return None
    # bcrypt in C ends at a NUL: a password could pass for its beginning.
    return (name, password[:_BYTES_HASHED]) if colon and b"\0" not in password else None


def _cost(hashed: bytes) -> bytes:
    return hashed.split(b"$")[2]
