"""What a row of measured costs says: flat, linear, or steeper."""

import math
import statistics
from collections.abc import Sequence
from typing import Final, NamedTuple

# The exponent of cost ~ size**exponent. Between flat and linear lies a constant that the sizes do not yet outgrow, or a
# logarithm; what lies above linear by more than noise and caches explain is a defect.
_FLAT: Final = 0.2
_LINEAR: Final = 1.3


class Curve(NamedTuple):
    """Costs by size, in microseconds. `bound` is what keeps the size small, where something does."""

    task: str
    grows_by: str
    points: Sequence[tuple[int, float]]
    bound: str = ""

    @property
    def exponent(self) -> float:
        """The slope of the larger half of the points, both axes logarithmic: what constants hide shows there."""
        upper = self.points[-max(3, (len(self.points) + 1) // 2) :]
        sizes, costs = zip(*((math.log(max(size, 1)), math.log(max(cost, 1e-3))) for size, cost in upper), strict=True)
        return statistics.linear_regression(sizes, costs).slope

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.exponent < _FLAT:
            return "flat"
        if self.exponent <= _LINEAR:
            return "linear" if self.exponent >= 1 / _LINEAR else "less than linear"
        return "steeper than linear"

    @property
    def is_defect(self) -> bool:
        """Whether someone could make it cost too much."""
        return self.exponent > _LINEAR
