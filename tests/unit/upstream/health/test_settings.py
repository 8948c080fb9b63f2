"""Statuses as a health check's settings write them."""

import pytest

from proxy.upstream.health.settings import status_ranges

RANGES = [
    ("200", ((200, 200),)),
    ("200-399", ((200, 399),)),
    ("200, 204 ,300-302", ((200, 200), (204, 204), (300, 302))),
]


@pytest.mark.parametrize(("text", "ranges"), RANGES)
def test_status_ranges(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert status_ranges(text) == ranges


@pytest.mark.parametrize(
    "text", ["", "ok", "200-", "-399", "99", "600", "200;204", "200-399-400", "\u0662\u0660\u0660"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='such as "200-399"'):
        status_ranges(text)


def test_a_range_that_is_turned_round_is_told_so() -> None:
    with pytest.raises(ValueError, match='as in "200-399"'):
        status_ranges("399-200")
