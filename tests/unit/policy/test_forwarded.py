"""Whose word about the client is taken."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from proxy.policy import forwarded
from proxy.policy.forwarded import Hop, client_address, is_trusted, networks, trusted_request_id

TRUSTED = networks(["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "fe80::/10"])

PEERS = [
    # address               trusted
    ("10.1.2.3",            True),
    ("10.255.255.255",      True),
    ("11.0.0.0",            False),
    ("192.0.2.1",           True),
    ("192.0.2.2",           False),
    ("2001:db8::1",         True),
    ("2001:db9::1",         False),
    ("::ffff:10.1.2.3",     True),  # the same host, on a dual-stack socket
    ("::ffff:11.0.0.0",     False),
    ("fe80::1%eth0",        True),
    ("",                    False),
    ("unix:",               False),
    ("localhost",           False),
    ("10.1.2",              False),
    ("010.1.2.3",           False),
    ("10.1.2.3:80",         False),
    ("[2001:db8::1]",       False),
]  # fmt: skip


@pytest.mark.parametrize(("address", "expected"), PEERS)
def test_a_peer_is_trusted_by_its_network(address: str, expected: bool) -> None:
    assert is_trusted(address, TRUSTED) is expected
    assert is_trusted(address, ()) is False


CLIENTS = [
    # peer            X-Forwarded-For lines                     client
    ("10.0.0.1",      [],                                       "10.0.0.1"),
    ("10.0.0.1",      [b""],                                    "10.0.0.1"),
    ("10.0.0.1",      [b"1.2.3.4"],                             "1.2.3.4"),
    # a dual-stack gateway's spelling of an IPv4 address
    ("10.0.0.1",      [b"::ffff:1.2.3.4"],                      "1.2.3.4"),
    ("10.0.0.1",      [b"[::FFFF:1.2.3.4]:80"],                 "1.2.3.4"),
    # an untrusted peer speaks for itself alone
    ("9.9.9.9",       [b"1.2.3.4"],                             "9.9.9.9"),
    ("9.9.9.9",       [b"10.0.0.1"],                            "9.9.9.9"),
    # from the right, past every trusted hop; what lies left of the first untrusted is its own claim
    ("10.0.0.1",      [b"6.6.6.6, 1.2.3.4"],                    "1.2.3.4"),
    ("10.0.0.1",      [b"6.6.6.6, 1.2.3.4, 10.0.0.2"],          "1.2.3.4"),
    ("10.0.0.1",      [b"6.6.6.6", b"1.2.3.4", b"10.0.0.2"],    "1.2.3.4"),
    ("10.0.0.1",      [b"10.0.0.3, 10.0.0.2"],                  "10.0.0.3"),
    ("10.0.0.1",      [b", 1.2.3.4 ,,"],                        "1.2.3.4"),
    ("10.0.0.1",      [b"2001:db8::2"],                         "2001:db8::2"),
    ("10.0.0.1",      [b'1.2.3.4, "[2001:db8::2]"'],            "1.2.3.4"),
    # what is no address ends the walk at the last one that was
    ("10.0.0.1",      [b"unknown"],                             "10.0.0.1"),
    ("10.0.0.1",      [b"1.2.3.4, _hidden, 10.0.0.2"],          "10.0.0.2"),
    ("10.0.0.1",      [b"2001:db8::1:80:x"],                    "10.0.0.1"),
    ("10.0.0.1",      [b"[2001:db9::7"],                        "10.0.0.1"),
    ("10.0.0.1",      [b"1.2.3.4:567890"],                      "10.0.0.1"),
    ("10.0.0.1",      [b"[::1%25eth0]:80"],                     "10.0.0.1"),
    # with a port, as some gateways say it, or in brackets and quotes
    ("10.0.0.1",      [b"203.0.113.9:51008"],                   "203.0.113.9"),
    ("10.0.0.1",      [b"[2001:db9::7]:443"],                   "2001:db9::7"),
    ("10.0.0.1",      [b'"[2001:db9::7]:443"'],                 "2001:db9::7"),
    ("10.0.0.1",      [b"[2001:db9::7]"],                       "2001:db9::7"),
    ("10.0.0.1",      [b"2001:db9::7:443"],                     "2001:db9::7:443"),  # an address as it stands
    ("10.0.0.1",      [b"203.0.113.9:51008, 10.0.0.2:80"],      "203.0.113.9"),
    ("10.0.0.1",      [b"1.2.3.4\xff"],                         "10.0.0.1"),
    ("10.0.0.1",      [b'::1%" 200 "GET /'],                    "10.0.0.1"),  # a zone may hold any text
]  # fmt: skip


@pytest.mark.parametrize(("peer", "forwarded_for", "expected"), CLIENTS)
def test_the_client_is_the_first_address_from_the_right_that_is_not_trusted(
    peer: str, forwarded_for: list[bytes], expected: str
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == expected


@pytest.mark.parametrize("cidr", ["10.0.0.1/8", "10.0.0.0/33", "x", "", "10.0.0.0/8/8"])
def test_what_is_no_network_is_refused(cidr: str) -> None:
    with pytest.raises(ValueError, match="does not appear|has host bits"):
        networks([cidr])


@pytest.mark.interpreted
def test_a_chain_is_walked_for_32_hops_and_split_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noting(address: str) -> IPv4Address | IPv6Address:
        asked.append(address)
        return ip_address(address)

    monkeypatch.setattr(forwarded, "parse_address", noting)
    chain = [b",".join(b"10.0.0.%d" % (number % 250) for number in range(2_000))] * 2
    assert client_address("10.0.0.1", chain, TRUSTED) == "10.0.0.218"  # the 32nd from the right
    assert len(asked) == 64


def test_a_hop_behind_thousands_of_empty_members_is_the_rightmost_one() -> None:
    assert client_address("10.0.0.1", [b"6.6.6.6" + b"," * 5_000 + b"1.2.3.4"], TRUSTED) == "1.2.3.4"


REQUEST_IDS = [
    # given                                  believed
    (b"abc-1",                               True),
    (b"Root=1-67891233-abcdef012345678912345678", True),
    (b"{a}[b]:c/d+e==",                      True),
    (b"a" * 128,                             True),
    (b"a" * 129,                             False),
    (b"",                                    False),
    (b"a b",                                 False),
    (b'a" 200 "b',                           False),
    (b"a'b",                                 False),
    (b"a\\x20b",                             False),
    (b"a\tb",                                False),
    (b"a\xc4",                               False),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), REQUEST_IDS)
def test_a_request_id_is_believed_where_it_forges_no_columns_of_a_log(given: bytes, expected: bool) -> None:
    assert trusted_request_id({b"x-request-id": [given]}, frozenset()) == (given if expected else b"")


IN_TEN = "in trusted network 10.0.0.0/8: the element before it is believed"
WALKS = [
    ("192.0.2.9", [b"6.6.6.6"], [("192.0.2.9", 0, "in no trusted network: what it says about others is ignored")]),
    ("10.0.0.1", [b"6.6.6.6, 1.2.3.4"], [("10.0.0.1", 0, IN_TEN),
     ("1.2.3.4", 1, "in no trusted network: what it says about others is ignored")]),
    ("10.0.0.1", [b"1.2.3.4", b"10.0.0.2"], [("10.0.0.1", 0, IN_TEN), ("10.0.0.2", 1, IN_TEN),
     ("1.2.3.4", 2, "no element before it is read")]),
    ("10.0.0.1", [b"unknown"], [("10.0.0.1", 0, "the element before it is no address")]),
    ("10.0.0.1", [b""], [("10.0.0.1", 0, "no element before it is read")]),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "forwarded_for", "expected"), WALKS)
def test_the_way_to_the_client_is_recorded_where_it_is_walked(
    peer: str, forwarded_for: list[bytes], expected: list[tuple[str, int, str]]
) -> None:
    walk: list[Hop] = []
    found = client_address(peer, forwarded_for, networks(["10.0.0.0/8"]), walk)
    assert walk == expected
    assert found == walk[-1].address == client_address(peer, forwarded_for, networks(["10.0.0.0/8"]))
