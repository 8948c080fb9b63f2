"""A rewritten target means what routing saw, and never leads out of the prefix that was put before it."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ProtocolError
from proxy.policy.paths import normalised_path
from proxy.policy.rewriting import Rewriting, WayBack
from tests.property.strategies import times

SEGMENTS = st.sampled_from(
    [b"", b"v1", b"%761", b"v%31", b"a", b"..", b"%2e.", b".", b"..%2f", b"%", b"%2", b"%%32e", b"%2F", b"in"]
)
PATHS = st.lists(SEGMENTS, max_size=7).map(lambda parts: b"/" + b"/".join(parts))


@times(5)
@given(
    PATHS,
    st.sampled_from([b"", b"?", b"?a=/../b"]),
    st.sampled_from([b"", b"/v1", b"/v1/a"]),
    st.sampled_from([b"", b"/in"]),
)
def test_a_rewritten_path_is_the_prefix_and_what_is_left(path: bytes, query: bytes, strip: bytes, add: bytes) -> None:
    try:
        target, stripped = Rewriting(strip, None, add).target(path + query)
    except ProtocolError:
        assert b"%" in path
        return
    whole = normalised_path(path)
    assert stripped == (bool(strip) and (whole + b"/").startswith(strip + b"/"))
    assert target.endswith(query)
    rest = whole[len(strip) :] or b"/" if stripped else whole
    assert normalised_path(target.partition(b"?")[0]) == add + rest
    if stripped or add:
        assert not target.startswith(b"//")


@given(PATHS, st.sampled_from([b"", b"/v1"]), st.sampled_from([b"", b"/in"]))
def test_a_location_that_was_turned_back_leads_to_the_path_that_the_service_meant(
    path: bytes, strip: bytes, add: bytes
) -> None:
    inside = add + path
    location = WayBack(strip, add, (b"h",), b"h").location(b"http://h" + inside).removeprefix(b"http://h")
    try:
        target, _ = Rewriting(strip, None, add).target(location)
    except ProtocolError:
        return
    if location == inside and (strip or add):
        return  # it has no meaning on the client's side
    if (normalised_path(inside) + b"/").startswith(add + b"/"):  # else the client has no path for it
        assert normalised_path(target) in (normalised_path(inside), normalised_path(inside + b"/"))
