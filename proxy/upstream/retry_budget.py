"""How many retries an upstream may get: a percentage of its requests, and a few more for quiet times.

Where every request fails, a retry for each would double the load on what is overloaded already (Finagle and Envoy have
the same bound). A request for which no connection could be opened costs no service anything, so `Service` does not
count it. Time is a parameter.
"""

from collections import deque
from typing import Final

WINDOW_S: Final = 10.0
_SAMPLE_S: Final = 0.5
#: Retries of an instance within a window that are allowed however few requests there are: else the first failure of a
#: service with one request a minute would reach its client.
FLOOR: Final = 20


class RetryBudget:
    """Counts of one upstream in one worker, over a sliding window of 10 s, give or take a sample of half a second."""

    __slots__ = ("_floor", "_percent", "_samples", "_taken", "requests")

    def __init__(self, percent: float, floor: float = FLOOR) -> None:
        self._percent = percent
        self._floor = floor
        self.requests = 0  # so far; the service counts them
        self._taken = 0
        self._samples = deque([(float("-inf"), 0, 0)])  # time, requests and retries until then

    def sample(self, now: float) -> None:
        """Forget what is older than the window; to be called now and then."""
        samples = self._samples
        if now - samples[-1][0] >= _SAMPLE_S:
            samples.append((now, self.requests, self._taken))
        while len(samples) > 1 and samples[1][0] <= now - WINDOW_S:
            samples.popleft()

    def take(self, now: float) -> bool:
        """Whether one more retry may be made; it is counted."""
        self.sample(now)
        _, requests, taken = self._samples[0]
        if self._taken - taken + 1 > self._floor + (self.requests - requests) * self._percent / 100:
            return False
        self._taken += 1
        return True
