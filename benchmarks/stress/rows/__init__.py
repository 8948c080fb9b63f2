"""Every row, in the order of the table."""

from typing import Final

from benchmarks.stress.row import Row
from benchmarks.stress.rows import (
    crowds,
    descriptors,
    hostile,
    logs,
    lookups,
    memory,
    replicas,
    rolling,
    small_pieces,
    workers,
)

ROWS: Final[list[Row]] = [
    *workers.ROWS, *logs.ROWS, *descriptors.ROWS, *crowds.ROWS, *hostile.ROWS, *small_pieces.ROWS, *memory.ROWS, *lookups.ROWS,
    *rolling.ROWS, *replicas.ROWS,
]  # fmt: skip
