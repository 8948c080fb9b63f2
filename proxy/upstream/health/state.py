"""What is known of each address of one upstream, and which of them are used: a state machine without I/O and clock.

Three kinds of evidence come in: health checks, requests that met a failure, and connections that are tried before an
address that was ejected gets requests again. Times are monotonic, which all processes of a machine share.

    UP ── failures in a row ──> EJECTED ── time over, and connected to ──> TRIAL ── one request succeeds ──> UP
    UP, TRIAL, EJECTED ── `fall` checks fail ──> DOWN ── `rise` checks pass ──> UP
    TRIAL ── its request fails ──> EJECTED, for twice as long
"""

from collections.abc import Iterable, Sequence
from typing import Final

from proxy.upstream.health.endpoint import Change, Endpoint, State, Usable, Use
from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from proxy.upstream.origin import Candidate, Origin

LONGEST_EJECTION_S: Final = 300.0
_FIRST_SHARE: Final = 0.1  # of its weight, for an address that returns: a share that grows from nothing never begins
_GOOD_SERVICE_S: Final = 60.0  # after which an ejection is as short as the first one again


class Endpoints:
    """The addresses of one upstream. Methods return what they have changed."""

    def __init__(
        self,
        configured: Sequence[Candidate],
        ejection: EjectionSettings,
        check: HealthCheckSettings | None = None,
        slow_start_s: float = 0.0,
    ) -> None:
        self.configured = tuple(configured)
        self._ejection = ejection
        self.check = check
        self._slow_start_s = slow_start_s
        self._known: dict[Origin, Endpoint] = {}
        self.reset()

    def __repr__(self) -> str:
        return f"<Endpoints {', '.join(f'{origin}: {known.state.value}' for origin, known in self._known.items())}>"

    def __getitem__(self, origin: Origin) -> Endpoint:
        return self._known[origin]

    def __contains__(self, origin: Origin) -> bool:
        return origin in self._known

    def __len__(self) -> int:
        return len(self._known)

    @property
    def limit(self) -> int:
        """How many failures in a row eject an address."""
        return self._ejection.failures

    def items(self) -> list[tuple[Origin, Endpoint]]:
        """All addresses, in the order of the configuration."""
        return list(self._known.items())

    def find(self, place: int, address: str) -> Origin | None:
        """The origin of an address; for "", of the only address that the name has: a worker may not know it yet."""
        origin = self._origin(place, address) if place < len(self.configured) else None
        if origin is None or origin in self._known:
            return origin
        others = [origin for origin, known in self._known.items() if known.place == place]
        return others[0] if len(others) == 1 and not address else None

    def addresses(self, place: int) -> list[str]:
        """Those of the name in this place."""
        return [known.address for known in self._known.values() if known.place == place and known.address]

    def reset(self) -> None:
        """Know nothing: the origins are used as configured."""
        self.adopt(Endpoint(place=place) for place in range(len(self.configured)))

    def adopt(self, endpoints: Iterable[Endpoint]) -> None:
        """Take over what another process knows."""
        before = self._known
        self._known = {}
        for endpoint in endpoints:
            origin = self._origin(endpoint.place, endpoint.address)
            if origin in self._known:
                continue  # listed twice
            known = before.get(origin)
            if known is not None and known.state is endpoint.state is State.UP:
                endpoint.failures = max(known.failures, endpoint.failures)
            self._known[origin] = endpoint

    # -- evidence ------------------------------------------------------------------------------------------------

    def request_failed(
        self, origin: Origin, cause: str, now: float, *, unreachable: bool = False, ejected: bool = False
    ) -> list[Change]:
        """A request met a failure there; `ejected` says that another process has ejected it for that."""
        known, limit = self._known.get(origin), self._ejection.failures
        if known is not None:
            known.last_failure, known.failed_at = cause, now
        if known is None or not limit or known.state not in (State.UP, State.TRIAL):
            return []
        known.failures = max(known.failures + 1, limit if ejected else 0)
        if known.state is State.UP and known.failures < limit:
            return []
        if not self._may_eject(known, unreachable=unreachable):
            known.cause, known.unreachable = cause, unreachable
            return []
        if known.state is State.UP and known.failures > 1:
            cause = f"{known.failures} failures in a row, the last: {cause}"
        return self._eject(origin, known, cause, now, unreachable=unreachable)

    def request_passed(self, origin: Origin, now: float) -> list[Change]:
        """A request was served there."""
        known = self._known.get(origin)
        if known is None:
            return []
        known.failures = 0
        if known.state is State.TRIAL or (known.state is State.EJECTED and self.usable(now).use is not Use.NORMAL):
            return self._return(origin, known, "a request was served", now) + self._eject_those_that_fail(now)
        return []

    def checked(self, origin: Origin, cause: str | None, now: float) -> list[Change]:
        """A health check passed, or failed for a cause."""
        known = self._known.get(origin)
        if known is None or self.check is None:
            return []
        if cause is None:
            known.checks_passed, known.checks_failed = known.checks_passed + 1, 0
            return self._after_pass(origin, known, now) if known.checks_passed >= self.check.rise else []
        known.checks_passed, known.checks_failed = 0, known.checks_failed + 1
        if known.checks_failed < self.check.fall or known.state in (State.DOWN, State.UNRESOLVED):
            return []
        known.failures = 0
        if known.checks_failed > 1:
            cause = f"{known.checks_failed} health checks failed, the last: {cause}"
        return self._change(origin, known, State.DOWN, cause, now)

    def _after_pass(self, origin: Origin, known: Endpoint, now: float) -> list[Change]:
        if known.state is State.DOWN:
            cause = f"health checks passed: {known.checks_passed}"
            return self._return(origin, known, cause, now) + self._eject_those_that_fail(now)
        if known.state is State.EJECTED and now >= known.until:
            return self._change(origin, known, State.TRIAL, "its time is over, and health checks pass", now)
        return []

    def to_connect(self, now: float) -> list[Origin]:
        """Whom to connect to, as its ejection is over; then call `tried`."""
        if self.check is not None:
            return []
        return [
            origin for origin, known in self._known.items() if known.state is State.EJECTED and now >= known.until
        ]  # fmt: skip

    def tried(self, origin: Origin, cause: str | None, now: float) -> list[Change]:
        """A connection was tried: where it was made, one request may try; else `cause` says why not."""
        known = self._known.get(origin)
        if known is None or known.state is not State.EJECTED:
            return []
        if cause is None:
            return self._change(origin, known, State.TRIAL, "its time is over, and it accepts connections", now)
        since = known.since
        self._eject(origin, known, cause, now, unreachable=True)
        known.since = since
        return []  # it was ejected, and is

    def resolved(self, place: int, addresses: Sequence[str], now: float) -> list[Change]:
        """The name of an origin has these addresses now: none where nobody has found any so far."""
        before = {known.address: known for known in self._known.values() if known.place == place}
        first = not any(before)
        after: list[Endpoint] = []
        found = set(addresses) or {""}
        stay = [address for address in before if address in found]  # in the order that they have: it changes each time
        for address in dict.fromkeys((*stay, *(addresses or ("",)))):
            known = before.get(address) or Endpoint(place=place, address=address)
            if address and address not in before:
                if len(addresses) == 1 and "" in before and before[""].state is not State.UNRESOLVED:
                    known = before[""]  # what was learned of the name is about its only address
                    known.address = address
                elif not first:
                    known.since = now
                    known.returned_at = now if self._slow_start_s else None
            after.append(known)
        changes = []
        if not addresses and after[0].state is not State.UNRESOLVED:
            changes = self._change(
                self._origin(place, ""), after[0], State.UNRESOLVED, "the name has no address", now
            )  # fmt: skip
        self._replace(place, after)
        return changes

    # -- what follows from it ------------------------------------------------------------------------------------

    def usable(self, now: float) -> Usable:
        """Which addresses requests may choose, with their weights: at least one."""
        use, excluded = Use.NORMAL, {State.EJECTED, State.DOWN, State.UNRESOLVED}
        if all(self.is_out(known) for known in self._known.values()):
            use, excluded = Use.ALL_OUT, set()
        elif any(map(self.is_failing, self._known.values())) and any(
            known.state is State.EJECTED and not known.unreachable for known in self._known.values()
        ):
            use = Use.MOST_FAIL
        shares = [0] * len(self.configured)  # how many addresses share a name's weight
        for known in self._known.values():
            shares[known.place] += 1
        candidates, trials = [], []
        for origin, known in self._known.items():
            accepts = use is Use.MOST_FAIL and known.state is State.EJECTED and not known.unreachable
            if known.state in excluded and not accepts:
                continue
            weight, backup = self.configured[known.place].weight, self.configured[known.place].backup
            weight *= self._share(known, now) / shares[known.place]
            candidates.append(Candidate(origin, weight, backup))
            if known.state is State.TRIAL:
                trials.append(origin)
        if use is not Use.NORMAL or len(trials) == len(candidates):
            trials = []  # nothing better is there: they get all requests
        return Usable(candidates, frozenset(trials), use)

    def ejected(self) -> list[Origin]:
        """Those that are out because requests failed there, not because health checks did."""
        return [origin for origin, known in self._known.items() if known.state is State.EJECTED]

    def suspects(self) -> frozenset[Origin]:
        """Those at which the last request failed, though they are used: the next one may fail, too."""
        return frozenset(
            origin for origin, known in self._known.items() if known.state is State.UP and known.failures
        )  # fmt: skip

    def wants_successes(self) -> bool:
        """Whether a request that is served would change anything."""
        return any(known.failures or known.state in (State.TRIAL, State.EJECTED) for known in self._known.values())

    def has_better_than(self, origin: Origin) -> bool:
        """Whether another address is well, and failures would eject this one."""
        others = [known for other, known in self._known.items() if other != origin]
        return self.limit > 0 and not all(map(self.is_out, others))

    def next_share_s(self, now: float) -> float | None:
        """In how many seconds `usable` has other weights; None where they stay."""
        grows = any(self._share(known, now) < 1.0 for known in self._known.values())
        return max(0.05, self._slow_start_s / 20) if grows else None

    def _share(self, known: Endpoint, now: float) -> float:
        if known.returned_at is None or not self._slow_start_s:
            return 1.0
        return min(1.0, max(_FIRST_SHARE, (now - known.returned_at) / self._slow_start_s))

    def is_failing(self, known: Endpoint) -> bool:
        """Whether it would be ejected if that were allowed."""
        limit = 1 if known.state is State.TRIAL else self._ejection.failures
        return known.state in (State.UP, State.TRIAL) and 0 < limit <= known.failures

    def is_out(self, known: Endpoint) -> bool:
        """Whether it is used only where nothing better is."""
        return known.state in (State.EJECTED, State.DOWN, State.UNRESOLVED) or self.is_failing(known)

    def _may_eject(self, candidate: Endpoint, *, unreachable: bool) -> bool:
        others = [known for known in self._known.values() if known is not candidate]
        if all(self.is_out(known) for known in others):
            return False  # never all
        if unreachable:
            return True  # using it would only cost time
        allowed = len(self._known) * self._ejection.max_ejected_percent // 100
        ejected = sum(known.state is State.EJECTED for known in others)
        return ejected < (max(1, allowed) if self._ejection.max_ejected_percent else 0)

    def _eject_those_that_fail(self, now: float) -> list[Change]:
        """Others are well now: those that could not be ejected are."""
        changes = []
        for origin, known in self._known.items():
            if self.is_failing(known) and self._may_eject(known, unreachable=known.unreachable):
                changes += self._eject(origin, known, known.cause, now, unreachable=known.unreachable)
        return changes

    def _eject(self, origin: Origin, known: Endpoint, cause: str, now: float, *, unreachable: bool) -> list[Change]:
        last_s = self._ejected_s(known)
        if known.state is State.UP and now - known.since >= max(_GOOD_SERVICE_S, 2 * last_s):
            known.ejections = 0
        known.ejections += 1
        known.until, known.unreachable = now + self._ejected_s(known), unreachable
        known.checks_passed = known.failures = 0
        return self._change(origin, known, State.EJECTED, cause, now)

    def _ejected_s(self, known: Endpoint) -> float:
        return min(LONGEST_EJECTION_S, self._ejection.eject_s * 2.0 ** min(known.ejections - 1, 30))

    def _return(self, origin: Origin, known: Endpoint, cause: str, now: float) -> list[Change]:
        known.failures, known.returned_at = 0, now if self._slow_start_s else None
        return self._change(origin, known, State.UP, cause, now)

    def _change(self, origin: Origin, known: Endpoint, state: State, cause: str, now: float) -> list[Change]:
        known.state, known.cause, known.since = state, cause, now
        return [Change(origin, state, cause)]

    def _origin(self, place: int, address: str) -> Origin:
        origin = self.configured[place].origin
        return origin._replace(address=address) if address else origin

    def _replace(self, place: int, after: Sequence[Endpoint]) -> None:
        listed = [known for known in self._known.values() if known.place != place]
        self.adopt(sorted([*listed, *after], key=lambda known: known.place))
