"""The table itself: no check that could not fail, whatever a proxy did."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import pytest

from tests.conformance.cases import CASES
from tests.conformance.checks.at_upstream import sent_lacks, sent_not_added, sent_nowhere
from tests.conformance.checks.check import Forbids, NotAdded, Sender, either, single
from tests.conformance.steps import Case, Learn, Level

#: What a proxy may make up.
MADE_UP = {
    "connection", "content-length", "content-type", "date", "expect", "keep-alive", "max-forwards", "te", "trailer",
    "transfer-encoding", "upgrade", "via",
}  # fmt: skip


def said(case: Case, sender: Sender) -> bytes:
    """What the peers of a case send, as far as a check of that sender asks."""
    client, upstream = b"\n".join(case.client_sends), b"\n".join(case.upstream_sends)
    match sender:
        case Sender.CLIENT:
            return client
        case Sender.UPSTREAM:
            return upstream
        case Sender.ANY:
            return client + b"\n" + upstream


def names_in(text: bytes) -> set[bytes]:
    """The names at the beginning of its lines, also of those that are escaped in a target, in one spelling."""
    found = re.findall(rb"(?:^|[\r\n])([^:\s]+)[ \t]*:", text + b"\n" + unquote_to_bytes(text))
    return {name.lower().replace(b"_", b"-") for name in found}


def spelling(name: str) -> bytes:
    return name.encode("latin-1").lower().replace(b"_", b"-")


def vain(case: Case) -> Iterator[str]:
    """What of a case's checks could not fail."""
    for check in single((*case.expect, *case.promise)):
        if isinstance(check, Forbids):
            text = said(case, check.sender)
            absent = [name for name in check.names if spelling(name) not in names_in(text)]
            absent += [part for part in check.texts if part.encode("latin-1").lower() not in text.lower()]
            yield from (f"forbids {part!r}, which {check.sender.value} does not send" for part in absent)
        elif isinstance(check, NotAdded):
            sent = names_in(said(case, check.sender))
            yield from (f"{name} is sent: it is not made up" for name in check.names if spelling(name) in sent)
            yield from (f"no proxy makes up {name}" for name in check.names if spelling(name).decode() not in MADE_UP)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_a_check_forbids_is_sent_in_its_own_case(case: Case) -> None:
    assert not list(vain(case)) or any(isinstance(step, Learn) for step in case.steps)


def test_a_check_that_could_not_fail_is_found() -> None:
    one = Case(
        "x", "", "", Level.GOOD, "GET / HTTP/1.1|Host: h|X_Own: two||",
        (either(sent_lacks("X-Own", "X-Evil"), sent_nowhere("second")), sent_nowhere("TWO"), sent_not_added("X-Own", "Host")),
    )  # fmt: skip
    assert list(vain(one)) == [
        "forbids 'X-Evil', which the client does not send",
        "forbids 'second', which the client does not send",
        "X-Own is sent: it is not made up",
        "Host is sent: it is not made up",
        "no proxy makes up X-Own",
        "no proxy makes up Host",
    ]
