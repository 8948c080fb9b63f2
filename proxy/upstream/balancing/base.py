"""What every balancing policy is: a choice among origins, without I/O and without a clock.

A policy does not know which origins are healthy or how often a request is sent: `upstream.service` offers it those that
may be used now, and asks again where an attempt failed.
"""

from collections.abc import Sequence
from typing import Protocol

from proxy.http1.message import RequestHead
from proxy.upstream.origin import Candidate, Origin


class BalancedRequest(Protocol):
    """What a policy may look at. The exchange has it at hand: a policy that looks at nothing costs nothing."""

    @property
    def head(self) -> RequestHead:
        """The request as it was received, before stripping."""

    @property
    def client_address(self) -> str:
        """Who sent it, as far as trusted peers are believed."""


class Balancing:
    """A policy, with the state that it keeps for one upstream in one worker."""

    __slots__ = ()

    @property
    def follows_attempts(self) -> bool:
        """Whether the policy wants to hear of each attempt by `started` and `ended`. One that does not costs no
        call."""
        return False

    def has_affinity(self, request: BalancedRequest) -> bool:
        """Whether only the chosen origin will do for this request: it waits for a connection to that one, where others
        would go to an origin that has a free one."""
        return False

    def choose(self, candidates: Sequence[Candidate], request: BalancedRequest, *, again: bool = False) -> Origin:
        """One of the `candidates`: at least one, each origin once, in the order of the configuration. They may change
        from call to call; the same object holds the same ones.

        `again` says that an attempt of this very request has failed, at an origin that is not among them.
        """
        raise NotImplementedError

    def started(self, origin: Origin) -> None:
        """An attempt at `origin` begins; `ended` follows exactly once."""

    def ended(self, origin: Origin) -> None:
        """An attempt at `origin` has ended, well or badly: with the last byte of its response, or its failure."""
