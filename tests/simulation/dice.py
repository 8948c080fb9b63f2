"""Choices by a seed. Who takes part has dice of its own, so that leaving another out changes nothing for it."""

from collections.abc import MutableSequence, Sequence
from hashlib import blake2b
from random import Random
from typing import Any, TypeVar
from zlib import crc32

T = TypeVar("T")


class Dice(Random):
    """A generator that is as cheap as most of its choices are small."""

    def __init__(self, seed: int) -> None:
        super(Random, self).seed(seed)  # `Random` asks first what a seed is, and remembers what only `gauss` needs

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]
        return seq[int(self.random() * len(seq))]

    def another(self) -> "Dice":
        """Dice for somebody who has just come."""
        return Dice(self.getrandbits(64))

    def shuffle(self, x: MutableSequence[Any]) -> None:
        if len(x) > 1:
            super().shuffle(x)


def chance_of(seed: int, name: str) -> float:
    """The first throw of somebody who throws only once, from 0 to 1. Dice of its own would cost twenty times as much."""
    digest = blake2b(b"%d %s" % (seed, name.encode()), digest_size=7).digest()
    return int.from_bytes(digest) / (1 << 56)


def dice_of(seed: int, name: str) -> Dice:
    """What decides for one who takes part in the world of this seed."""
    return Dice(seed << 32 | crc32(name.encode()))
