"""How many retries an upstream is asked to bear, on a clock that the test turns."""

import pytest

from proxy.upstream.retry_budget import WINDOW_S, RetryBudget


def allowed(budget: RetryBudget, now: float) -> int:
    """How many retries are allowed at once."""
    count = 0
    while budget.take(now):
        count += 1
    return count


BUDGETS = [
    # percent   requests   floor   retries
    (20.0,      100,       0,      20),
    (20.0,      0,         3,      3),
    (0.0,       1_000,     3,      3),
    (0.0,       1_000,     0,      0),
    (100.0,     10,        2,      12),
    (0.5,       1_000,     0,      5),
]  # fmt: skip


@pytest.mark.parametrize(("percent", "requests", "floor", "retries"), BUDGETS)
def test_a_share_of_the_requests_and_a_few(percent: float, requests: int, floor: float, retries: int) -> None:
    budget = RetryBudget(percent, floor)
    budget.requests += requests
    assert allowed(budget, 100.0) == retries


def test_only_requests_of_the_window_count() -> None:
    budget = RetryBudget(20.0, 0)
    budget.sample(0.0)
    budget.requests += 1_000
    for tenth in range(1, 200):
        budget.sample(tenth / 10)
    assert allowed(budget, 20.0) == 0
    budget.requests += 100
    assert allowed(budget, 20.0) == 20


def test_the_budget_comes_back_as_retries_leave_the_window() -> None:
    budget = RetryBudget(0.0, 5)
    budget.sample(0.0)
    assert allowed(budget, 1.0) == 5
    for tenth in range(10, 90):
        budget.sample(tenth / 10)
    assert allowed(budget, WINDOW_S - 1.0) == 0
    for tenth in range(90, 130):
        budget.sample(tenth / 10)
    assert allowed(budget, 13.0) == 5


def test_a_long_outage_at_a_steady_rate_gets_its_percentage() -> None:
    budget, taken = RetryBudget(20.0, 5), 0
    for second in range(60):
        for _ in range(100):  # each fails, and asks
            budget.requests += 1
            taken += budget.take(float(second))
    assert 0.19 * 6_000 < taken < 0.21 * 6_000 + 40


def test_samples_do_not_pile_up() -> None:
    budget = RetryBudget(20.0)
    for tick in range(10_000):
        budget.sample(tick / 4)
    assert len(budget._samples) < 25
