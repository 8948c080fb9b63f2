"""Every row, in the order of the table."""

from typing import Final

from benchmarks.stress.row import Row
from benchmarks.stress.rows import crowds, descriptors, hostile, logs, memory, rolling, workers

ROWS: Final[list[Row]] = [
    *workers.ROWS, *logs.ROWS, *descriptors.ROWS, *crowds.ROWS, *hostile.ROWS, *memory.ROWS, *rolling.ROWS,
]  # fmt: skip
