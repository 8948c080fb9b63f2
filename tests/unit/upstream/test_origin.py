"""What an origin is called."""

import pytest

from proxy.upstream.origin import Origin

AUTHORITIES = [
    (Origin("a", 80),       b"a"),
    (Origin("b", 81),       b"b:81"),
    (Origin("::1", 80),     b"[::1]"),
    (Origin("::1", 8080),   b"[::1]:8080"),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "authority"), AUTHORITIES)
def test_the_authority_is_what_host_says(origin: Origin, authority: bytes) -> None:
    assert origin.authority == authority
