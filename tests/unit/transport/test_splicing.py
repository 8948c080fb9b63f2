"""What a splice counts as moved to its sink: a client that takes little by little must not look like one that stands
still."""

import os

import pytest

from proxy.transport import splicing
from proxy.transport.splicing import Splice
from proxy.transport.stream import Stream
from tests.unit.transport.noting import noting_stream


class HalfTaken:
    """A pipe of whose ten bytes the sink takes six at first."""

    def __init__(self, *_: object) -> None:
        self.held_bytes = 0
        self.source, self.sink = os.pipe()  # a loop can watch them

    def fill(self, _: int) -> int:
        self.held_bytes = 10
        return 10

    def empty(self) -> None:
        if self.held_bytes == 10:
            self.held_bytes = 4
            raise BlockingIOError
        self.held_bytes = 0

    def close(self) -> bytes:
        os.close(self.source)
        os.close(self.sink)
        return b"x" * self.held_bytes


@pytest.mark.interpreted
async def test_each_part_that_the_sink_takes_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[int] = []
    monkeypatch.setattr(splicing, "Pipe", HalfTaken)
    monkeypatch.setattr(Stream, "note_moved", lambda _, count: moved.append(count))
    splice = Splice(noting_stream(), noting_stream(), 100, lambda _: None, lambda: 0.0)
    try:
        splice._source_is_ready()
        assert moved == [6]
        splice._sink_is_ready()
        assert moved == [6, 4]
    finally:
        splice.end()
