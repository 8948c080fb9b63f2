"""Cookies that this proxy reads and sets itself."""

import pytest

from proxy.policy.cookies import request_cookie, session_cookie
from tests.unit.upstream.requests import Request

SENT = [
    # the Cookie lines            value of "a"
    ([b"a=1"],                    b"1"),
    ([b"b=2; a=1"],               b"1"),
    ([b"b=2;a=1"],                b"1"),
    ([b"b=2", b"a=1"],            b"1"),
    ([b"a=1; a=2"],               b"1"),
    ([b'a="1"'],                  b"1"),
    ([b"a=1=2"],                  b"1=2"),
    ([b"a="],                     b""),
    ([b" a = 1 "],                b"1"),
    ([b"A=1"],                    None),
    ([b"a"],                      None),
    ([b"ba=1; ab=2"],             None),
    ([b"b=a=1"],                  None),
    ([],                          None),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "value"), SENT)
def test_the_first_cookie_of_a_name_is_read(lines: list[bytes], value: bytes | None) -> None:
    head = Request(*((b"Cookie", line) for line in lines), (b"X-Cookie", b"a=9"), (b"Accept", b"a=8")).head
    assert request_cookie(head, b"a") == value


def test_a_cookie_of_ours_ends_with_the_session() -> None:
    assert session_cookie(b"n", b"v", secured=True) == (b"Set-Cookie", b"n=v; Path=/; HttpOnly; SameSite=Lax; Secure")
