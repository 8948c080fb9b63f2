"""Which addresses a route lets in."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Forbidden
from proxy.policy.access import Access, NetworkSet, check_network

CASES = [
    # allow                              deny                   address              may
    ([],                                 [],                    "192.0.2.1",         True),
    (["10.0.0.0/8"],                     [],                    "10.255.255.255",    True),
    (["10.0.0.0/8"],                     [],                    "11.0.0.0",          False),
    (["10.0.0.0/8"],                     [],                    "9.255.255.255",     False),
    (["10.0.0.0/8"],                     ["10.1.0.0/16"],       "10.1.2.3",          False),
    (["10.0.0.0/8"],                     ["10.1.0.0/16"],       "10.2.0.0",          True),
    ([],                                 ["10.1.0.0/16"],       "10.1.2.3",          False),
    ([],                                 ["10.1.0.0/16"],       "192.0.2.1",         True),
    (["192.0.2.1"],                      [],                    "192.0.2.1",         True),
    (["192.0.2.1"],                      [],                    "192.0.2.2",         False),
    (["2001:db8::/32"],                  [],                    "2001:db8:1::1",     True),
    (["2001:db8::/32"],                  [],                    "2001:db9::1",       False),
    (["2001:db8::/32"],                  [],                    "192.0.2.1",         False),
    (["192.0.2.0/24"],                   [],                    "::ffff:192.0.2.9",  True),
    ([],                                 ["192.0.2.0/24"],      "::ffff:192.0.2.9",  False),
    (["10.0.0.0/25", "10.0.0.128/25"],   [],                    "10.0.0.200",        True),
    (["10.0.0.0/8", "10.1.0.0/16"],      [],                    "10.200.0.1",        True),
    (["0.0.0.0/0", "::/0"],              [],                    "unix",              False),  # no address at all
    ([],                                 ["0.0.0.0/0"],         "unix",              True),
]  # fmt: skip


@pytest.mark.parametrize(("allow", "deny", "address", "may"), CASES)
def test_deny_goes_before_allow(allow: list[str], deny: list[str], address: str, may: bool) -> None:
    access = Access(
        allow=NetworkSet(allow) if allow else None,
        deny=NetworkSet(deny) if deny else None,
    )
    if may:
        check_network(access, address)
    else:
        with pytest.raises(Forbidden) as refused:
            check_network(access, address)
        assert address in refused.value.detail
        assert address not in refused.value.public_detail


NETWORKS = st.builds(
    lambda address, length: str(ipaddress.ip_network((address, length), strict=False)),
    st.integers(0, 255).map(lambda low: 0x0A000000 + low * 0x01010101),
    st.integers(0, 32),
)


@given(st.lists(NETWORKS, max_size=8), st.integers(0, 0xFFFFFFFF))
def test_a_set_holds_what_one_of_its_networks_holds(cidrs: list[str], number: int) -> None:
    address = ipaddress.ip_address(number)
    assert (str(address) in NetworkSet(cidrs)) == any(address in ipaddress.ip_network(cidr) for cidr in cidrs)
