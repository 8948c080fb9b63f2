"""What the parent and a child tell each other, where one of them hangs or lacks descriptors."""

import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.process.channel import Channel, Kind, Message
from proxy.process.placing import offer_again, place_sockets
from proxy.process.slot import Role, Slot, State


@pytest.fixture
def channels() -> Iterator[tuple[Channel, Channel]]:
    """The parent's end, and the child's."""
    ours, its = Channel.pair()
    yield ours, its
    ours.close()
    its.close()


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """This process can open so many, and no more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def fill(channel: Channel) -> int:
    sent = 0
    while channel.send(Kind.ADOPT, "x" * 1000):
        sent += 1
    return sent


@pytest.mark.parametrize("left", [0, 1])
def test_sockets_for_which_there_are_no_descriptors_are_said_to_be_cut(
    channels: tuple[Channel, Channel], left: int
) -> None:
    ours, its = channels
    with socket.socket() as one, socket.socket() as two:
        assert ours.send(Kind.ADOPT, "3", [one, two])
        assert ours.send(Kind.LINK, "3", [one])
        open_before = len(os.listdir("/proc/self/fd"))
        with descriptors_left(left):
            [first, second] = its.receive()
        assert first == Message(Kind.ADOPT, "3", [], is_cut=True)
        assert second.is_cut is (left == 0)
        assert len(second.sockets) == left
        for each in second.sockets:
            each.close()
        assert len(os.listdir("/proc/self/fd")) == open_before


def test_what_is_insisted_on_arrives_once_a_process_that_hung_reads_again(channels: tuple[Channel, Channel]) -> None:
    ours, its = channels
    sent = fill(ours)
    for kind in (Kind.REOPEN_LOG, Kind.RETIRE, Kind.REOPEN_LOG, Kind.SHUT_DOWN):
        ours.insist(kind)
    assert ours.has_unsent
    first = next(its.receive())
    assert first.kind is Kind.ADOPT
    arrived = [message.kind for message in its.receive()]
    assert arrived == [Kind.ADOPT] * (sent - 1)
    assert ours.send(Kind.LINK), "behind the others"
    assert not ours.has_unsent
    assert [message.kind for message in its.receive()] == [Kind.REOPEN_LOG, Kind.RETIRE, Kind.SHUT_DOWN, Kind.LINK]


def test_nothing_overtakes_what_could_not_be_sent(channels: tuple[Channel, Channel]) -> None:
    ours, its = channels
    fill(ours)
    ours.insist(Kind.GIVE_BACK, "1")
    assert not ours.send(Kind.ADOPT, "1")
    list(its.receive())
    assert ours.flush()
    assert [message.kind for message in its.receive()] == [Kind.GIVE_BACK]


def test_a_process_that_has_ended_is_insisted_on_no_more(channels: tuple[Channel, Channel]) -> None:
    ours, its = channels
    fill(ours)
    ours.insist(Kind.SHUT_DOWN)
    its.close()
    ours.flush()
    ours.insist(Kind.CUT)
    assert not ours.has_unsent


def slots() -> tuple[Slot, Slot, Channel]:
    """A worker that serves, one that is not there, and what the first one hears by."""
    serving, gone = Slot(Role.WORKER, [], 0), Slot(Role.WORKER, [socket.socket()], 1)
    ours, its = Channel.pair()
    serving.begin(1, ours)
    serving.state = State.SERVING
    return serving, gone, its


def test_a_queue_that_was_lost_on_its_way_is_given_again() -> None:
    serving, gone, its = slots()
    workers = (serving, gone)
    place_sockets(workers)
    assert gone.adopter is serving
    place_sockets(workers)
    offer_again(Message(Kind.NOT_ADOPTED, "1"), serving, workers)
    place_sockets(workers)
    assert gone.adopter is serving
    arrived = list(its.receive())
    assert [message.kind for message in arrived] == [Kind.ADOPT, Kind.GIVE_BACK, Kind.ADOPT]
    offer_again(Message(Kind.NOT_ADOPTED, "0"), serving, workers)
    assert gone.adopter is serving, "not what was asked for"
    for each in (*gone.sockets, *(one for message in arrived for one in message.sockets)):
        each.close()
    its.close()
    serving.end()


def test_the_queue_of_a_worker_that_is_late_goes_to_another_and_comes_back() -> None:
    workers = [Slot(Role.WORKER, [socket.socket()], seat) for seat in range(3)]
    channels = []
    for slot in workers:
        ours, its = Channel.pair()
        slot.begin(1, ours)
        slot.state = State.SERVING
        channels.append(its)
    first, second, third = workers

    def told(number: int) -> list[tuple[Kind, str]]:
        found = []
        for message in channels[number].receive():
            found.append((message.kind, message.text))
            for one in message.sockets:
                one.close()
        return found

    first.is_late = True
    place_sockets(workers)
    assert first.adopter is second
    assert told(1) == [(Kind.ADOPT, "0")]
    second.is_late = True  # what it has adopted goes on, too
    place_sockets(workers)
    assert (first.adopter, second.adopter) == (third, third)
    assert told(1) == [(Kind.GIVE_BACK, "0")]
    assert told(2) == [(Kind.ADOPT, "0"), (Kind.ADOPT, "1")]
    third.is_late = True  # now there is nobody better
    place_sockets(workers)
    assert (first.adopter, second.adopter, third.adopter) == (third, third, None)
    first.is_late = second.is_late = third.is_late = False
    place_sockets(workers)
    assert not any(slot.adopter for slot in workers)
    assert told(2) == [(Kind.GIVE_BACK, "0"), (Kind.GIVE_BACK, "1")]
    for slot, its in zip(workers, channels, strict=True):
        its.close()
        slot.end()
        slot.sockets[0].close()


LATE = [
    # looks without a beat, a second apart   late
    (1, False),
    (2, False),
    (3, True),
]


@pytest.mark.parametrize(("looks", "late"), LATE)
def test_a_worker_is_late_after_three_looks_without_a_beat(looks: int, late: bool) -> None:
    slot = Slot(Role.WORKER, [], 0)
    slot.state = State.SERVING
    for look in range(looks):
        slot.watch(100.0 + look, 1.0, 10.0)
    assert slot.is_late is late
    loop: Any = SimpleNamespace(call_later=lambda *_: None)
    slot.heartbeat.keep_beating(loop, 10.0)
    slot.watch(104.0, 1.0, 10.0)
    assert not slot.is_late


def test_a_link_that_was_lost_on_its_way_is_given_again() -> None:
    serving, gone, its = slots()
    serving.linked_to = gone.linked_to = 7
    offer_again(Message(Kind.NOT_LINKED, "0"), serving, (serving, gone))
    assert (serving.linked_to, gone.linked_to) == (0, 7)
    gone.sockets[0].close()
    its.close()
    serving.end()
