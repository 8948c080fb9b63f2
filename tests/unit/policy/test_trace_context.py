"""What a request says of a trace: the fields of W3C Trace Context, and everything that is none."""

import pytest

from proxy.policy.trace_context import Traceparent, received

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

SAID = [
    # value                               flags, or None
    (f"00-{TRACE}-{SPAN}-01",             1),
    (f"00-{TRACE}-{SPAN}-00",             0),
    (f"00-{TRACE}-{SPAN}-ff",             3),  # flags that nobody has defined go no further
    (f"cc-{TRACE}-{SPAN}-01",             1),  # a later version, read as far as it is known
    (f"cc-{TRACE}-{SPAN}-01-what-ever",   1),
    (f"cc-{TRACE}-{SPAN}-01.what",        None),
    (f"00-{TRACE}-{SPAN}-01-what-ever",   None),
    (f"00-{TRACE}-{SPAN}-01-",            None),
    (f"ff-{TRACE}-{SPAN}-01",             None),
    (f"00-{'0' * 32}-{SPAN}-01",          None),
    (f"00-{TRACE}-{'0' * 16}-01",         None),
    (f"00-{TRACE.upper()}-{SPAN}-01",     None),
    (f"00-{TRACE[1:]}-{SPAN}-01",         None),
    (f"00-{TRACE}-{SPAN}-1",              None),
    (f"00-{TRACE}-{SPAN}",                None),
    (f"0-{TRACE}-{SPAN}-01",              None),
    (f" 00-{TRACE}-{SPAN}-01",            None),
    ("",                                  None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "flags"), SAID)
def test_a_context_is_read_or_it_is_none(value: str, flags: int | None) -> None:
    expected = None if flags is None else Traceparent(TRACE, SPAN, flags)
    assert received({b"traceparent": [value.encode()]}) == expected


def test_two_contexts_are_none() -> None:
    value = f"00-{TRACE}-{SPAN}-01".encode()
    assert received({b"traceparent": [value, value]}) is None
    assert received({}) is None


def test_it_is_stated_in_version_00() -> None:
    assert Traceparent(TRACE, SPAN, 3).value == f"00-{TRACE}-{SPAN}-03".encode()
