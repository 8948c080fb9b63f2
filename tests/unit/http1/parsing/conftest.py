"""Every example whole, byte by byte, and with something behind it, by either parser."""

import pytest

from proxy.http1.parsing.head_parser import HeadParser
from tests.unit.http1.parsing.feeds import FEEDS, LIMITS, Feed


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest) -> Feed:
    """A way for bytes to arrive."""
    return FEEDS[request.param]


@pytest.fixture(params=[True, False], ids=["fast path", "h11 parser"])
def head_parser(request: pytest.FixtureRequest) -> HeadParser:
    """Both ways to read a head: whatever is tested with this fixture must hold for either."""
    return HeadParser(LIMITS, fast_path=request.param)
