"""What a check is, and what several of them make."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from tests.conformance.play import Record
from tests.conformance.steps import Check


class Sender(Enum):
    """Whose script must hold what a check forbids: else the check could not fail."""

    CLIENT = "the client"
    UPSTREAM = "the upstream"
    ANY = "either"


@dataclass(frozen=True)
class Forbids:
    """A check that something does not arrive, and what: names of fields, or text."""

    holds: Check
    sender: Sender
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def __call__(self, record: Record) -> str | None:
        return self.holds(record)


@dataclass(frozen=True)
class NotAdded:
    """A check that this hop makes up no field of these names: nobody has sent one."""

    holds: Check
    sender: Sender
    names: tuple[str, ...]

    def __call__(self, record: Record) -> str | None:
        return self.holds(record)


@dataclass(frozen=True)
class Several:
    """Several checks as one."""

    checks: tuple[Check, ...]
    join: Callable[[list[str | None]], str | None]

    def __call__(self, record: Record) -> str | None:
        return self.join([check(record) for check in self.checks])


def either(*checks: Check) -> Check:
    """One of them holds."""
    return Several(
        checks, lambda faults: None if None in faults else " / ".join(fault for fault in faults if fault is not None)
    )


def every(*checks: Check) -> Check:
    """All of them hold."""
    return Several(checks, lambda faults: next((fault for fault in faults if fault is not None), None))


def single(checks: tuple[Check, ...]) -> Iterator[Check]:
    """The checks that these are made of."""
    for check in checks:
        if isinstance(check, Several):
            yield from single(check.checks)
        else:
            yield check
