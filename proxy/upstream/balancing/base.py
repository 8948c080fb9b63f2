"""What every balancing policy is: a choice among origins, without I/O and without a clock.

A policy does not know which origins are healthy or how often a request is sent: `upstream.service` offers it those that
may be used now, and asks again where an attempt failed.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from proxy.http1.message import RequestHead
from proxy.upstream.origin import Origin


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

    #: Whether the policy wants to hear of each attempt by `started` and `ended`. One that does not costs no call.
    follows_attempts: ClassVar[bool] = False

    def choose(self, candidates: Sequence[Origin], request: BalancedRequest, tried: Sequence[Origin] = ()) -> Origin:
        """One of the `candidates`, which stand in the order of the configuration and may change from call to call.

        `tried` are the origins at which this very request has failed, the last one last. None of them may be chosen;
        the caller makes sure that one of the candidates is left.
        """
        raise NotImplementedError

    def started(self, origin: Origin) -> None:
        """An attempt at `origin` begins; `ended` follows exactly once."""

    def ended(self, origin: Origin) -> None:
        """An attempt at `origin` has ended, well or badly: with the last byte of its response, or its failure."""
