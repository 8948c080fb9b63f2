"""What is known of addresses, in memory that outlives every process: one that starts, with the same configuration or
with another, begins with what its predecessor knew."""

import mmap
import struct
import zlib
from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.upstream.health.endpoint import Endpoint, State
from proxy.upstream.health.state import Endpoints

_HEAD: Final = struct.Struct("=QII")  # which write it was, its length, its checksum
_BYTES: Final = 2 << 20  # of address space: memory is used as far as it is written to

_encode: Final = msgspec.json.Encoder().encode
#: By upstream and origin, as configurations name them: the origin's addresses.
_decode: Final = msgspec.json.Decoder(dict[str, dict[str, list[Endpoint]]]).decode


class Kept:
    """Made by the parent before it forks. Control writes, every process reads as it starts. Two places are written in
    turn, so a process that dies within a write destroys nothing."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _BYTES)

    def write(self, upstreams: Mapping[str, Endpoints]) -> None:
        """Keep this from now on; if it does not fit, what was kept before stays."""
        known: dict[str, dict[str, list[Endpoint]]] = {}
        for upstream, endpoints in upstreams.items():
            origins = known.setdefault(upstream, {})
            for origin, endpoint in endpoints.items():
                origins.setdefault(origin.label, []).append(endpoint)
        text = _encode(known)
        count = 1 + max(write for write, _ in map(self._place, (0, 1)))
        start = _BYTES // 2 * (count % 2)
        if len(text) <= _BYTES // 2 - _HEAD.size:
            self._memory[start + _HEAD.size : start + _HEAD.size + len(text)] = text
            _HEAD.pack_into(self._memory, start, count, len(text), zlib.crc32(text))

    def restore(self, upstreams: Mapping[str, Endpoints]) -> None:
        """Restore what was known about origins that still exist."""
        _, text = max(map(self._place, (0, 1)))
        try:
            known = _decode(text) if text else {}
        except msgspec.DecodeError:
            return  # of another version of ours
        for upstream, endpoints in upstreams.items():
            origins = known.get(upstream, {})
            endpoints.adopt(
                _still_true(endpoint, place, endpoints)
                for place, candidate in enumerate(endpoints.configured)
                for endpoint in origins.get(candidate.origin.label, [Endpoint(place=place)])
            )

    def _place(self, number: int) -> tuple[int, bytes]:
        start = _BYTES // 2 * number
        count, length, checksum = _HEAD.unpack_from(self._memory, start)
        text = self._memory[start + _HEAD.size : start + _HEAD.size + min(length, _BYTES // 2)]
        return (count, text) if count and zlib.crc32(text) == checksum else (0, b"")


def _still_true(known: Endpoint, place: int, endpoints: Endpoints) -> Endpoint:
    """Of what was known under another configuration, what can be known under this one."""
    ends_with = {State.UNRESOLVED}
    if endpoints.check is None:
        ends_with.add(State.DOWN)
    if not endpoints.limit:
        ends_with |= {State.EJECTED, State.TRIAL}
    if known.state in ends_with:
        return Endpoint(place=place, address=known.address)
    return msgspec.structs.replace(known, place=place)
