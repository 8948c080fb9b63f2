"""Which exchanges `onehop tail` shows."""

import pytest

from proxy.cli.filters import ANY_ERROR, Filter
from proxy.policy.forwarded import networks
from tests.unit.cli.calling import onehop
from tests.unit.cli.exchanges import shown

PLAIN = shown()
FAILED = shown(status=502, error="connect_failed", client="10.1.2.3", route="api")

MATCHES = [
    # filter                                             plain   failed
    (Filter(),                                           True,   True),
    (Filter(route="r"),                                  True,   False),
    (Filter(route="ap"),                                 False,  False),
    (Filter(statuses=frozenset({"200"})),                True,   False),
    (Filter(statuses=frozenset({"5xx"})),                False,  True),
    (Filter(statuses=frozenset({"2xx", "502"})),         True,   True),
    (Filter(error=ANY_ERROR),                            False,  True),
    (Filter(error="connect_failed"),                     False,  True),
    (Filter(error="connect"),                            False,  False),
    (Filter(field="x-hop: 1"),                           True,   True),
    (Filter(field="via: 1.1 onehop"),                    True,   True),
    (Filter(field="x-hop: 2"),                           False,  False),
    (Filter(field="hunter2"),                            False,  False),
    (Filter(clients=networks(["10.0.0.0/8"])),           False,  True),
    (Filter(clients=networks(["192.0.2.1", "10.1.2.3"])), True,  True),
    (Filter(text="/a"),                                  True,   True),
    (Filter(text="connect_f"),                           False,  True),
    (Filter(text="server: s"),                           True,   True),
    (Filter(text="id2"),                                 False,  False),
    (Filter(route="api", error="dns_error"),             False,  False),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "plain", "failed"), MATCHES)
def test_an_exchange_is_shown_if_it_has_all_that_is_asked(wanted: Filter, plain: bool, failed: bool) -> None:
    assert (wanted.matches(PLAIN), wanted.matches(FAILED)) == (plain, failed)


WRONG = [
    (["--status", "6xx"], "'6xx': expected a status as \"404\", or a class as \"5xx\""),
    (["--status", "4"], "'4': expected"),
    (["--client", "10.0.0.0/33"], "expected an address, a network as \"10.0.0.0/8\", or \"unix\""),
    (["--admin", "9901"], "expected an address as \"HOST:PORT\""),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_a_filter_that_means_nothing_is_refused(words: list[str], said: str) -> None:
    result = onehop("tail", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
