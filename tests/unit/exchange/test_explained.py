"""How long a response took, in the fields that explain it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.exchange.explained import _timings_ms


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], {b"total": 2500.0}),
        ([("connecting", 10.5), ("connected", 10.75)], {b"total": 2500.0, b"connect": 250.0, b"upstream": 1750.0}),
        # of the last attempt
        (
            [("connecting", 10.0), ("connected", 10.25), ("connecting", 11.0), ("connected", 11.5)],
            {b"total": 2500.0, b"connect": 500.0, b"upstream": 1000.0},
        ),
    ],
)
def test_times_are_milliseconds(marks: list[tuple[str, float]], expected: dict[bytes, float]) -> None:
    assert dict(_timings_ms(cast("Any", SimpleNamespace(marks=marks)), 10.0, 12.5)) == expected
