"""The link between workers and the control process: nobody waits, and nobody's end or defect touches another."""

import asyncio

from proxy.process.link import MOST_BYTES, Hub, Link, pair
from tests.harness.waiting import until


class Joined:
    """A hub, links of workers, and what all of them were told."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.told: list[object] = []
        self.hub = Hub(self.loop)
        self.hub.on_message = lambda seat, message: self.told.append((seat, message))
        self.hub.on_joined = lambda seat: self.told.append(f"{seat} joined")
        self.hub.on_writable = lambda seat: self.told.append(f"{seat} reads again")
        self.hub.on_left = lambda seat: self.told.append(f"{seat} left")

    def worker(self, seat: int) -> Link:
        link = Link(self.loop)
        link.on_message = lambda message: self.told.append(message)
        self.join(seat, link)
        return link

    def join(self, seat: int, link: Link) -> None:
        of_worker, of_control = pair()
        link.connect(of_worker)
        self.hub.connect(seat, of_control)


async def test_a_worker_and_control_tell_each_other() -> None:
    joined = Joined()
    link = joined.worker(3)
    assert joined.told == ["3 joined"]
    assert link.send(b"up")
    joined.hub.broadcast(b"down")
    await until(lambda: len(joined.told) == 3)
    assert sorted(joined.told[1:], key=str) == [(3, b"up"), b"down"]
    link.close()
    await until(lambda: joined.told[-1] == "3 left")
    assert joined.hub.seats == []
    assert not joined.hub.send(3, b"nobody is there")


async def test_a_broadcast_reaches_every_worker() -> None:
    joined = Joined()
    links = [joined.worker(seat) for seat in range(3)]
    joined.hub.broadcast(b"all")
    await until(lambda: joined.told.count(b"all") == 3)
    joined.hub.close()
    for link in links:
        link.close()


async def test_a_worker_without_control_loses_what_it_sends_and_knows() -> None:
    link = Link(asyncio.get_running_loop())
    assert not link.send(b"lost")
    joined = Joined()
    joined.join(0, link)
    joined.hub.close()
    await until(lambda: not link.send(b"lost"))


async def test_another_control_process_takes_the_place_of_the_first() -> None:
    first, second = Joined(), Joined()
    link = first.worker(0)
    first.hub.close()
    rejoined: list[int] = []
    link.on_joined = lambda: rejoined.append(1)
    second.join(0, link)
    assert link.send(b"again")
    await until(lambda: (0, b"again") in second.told)
    assert rejoined == [1]
    link.close()
    second.hub.close()


async def test_a_worker_in_the_seat_of_one_that_died_replaces_it() -> None:
    joined = Joined()
    old = joined.worker(0)
    new = joined.worker(0)
    assert joined.told == ["0 joined", "0 left", "0 joined"]
    joined.hub.broadcast(b"to the new one")
    await until(lambda: b"to the new one" in joined.told)
    for link in (old, new):
        link.close()
    joined.hub.close()


async def test_a_worker_that_reads_nothing_misses_messages_and_control_hears_once_it_reads() -> None:
    joined = Joined()
    of_worker, of_control = pair()
    joined.hub.connect(0, of_control)
    sent = 0
    while joined.hub.send(0, b"x" * 10_000):
        sent += 1
    assert 1 < sent < 100
    assert not joined.hub.send(0, b"x" * 10_000)
    assert joined.told == ["0 joined"]
    for _ in range(sent):
        of_worker.recv(MOST_BYTES)
    await until(lambda: joined.told == ["0 joined", "0 reads again"])
    assert joined.hub.send(0, b"everything")
    of_worker.close()
    joined.hub.close()


async def test_the_longest_message_arrives_and_a_longer_one_is_lost() -> None:
    joined = Joined()
    link = joined.worker(0)
    assert not link.send(bytes(MOST_BYTES + 1))
    assert not link.send(b"")
    assert link.send(b"y" * MOST_BYTES)
    await until(lambda: joined.told[-1] == (0, b"y" * MOST_BYTES))
    link.close()
    joined.hub.close()


async def test_a_defect_in_what_is_told_is_reported_and_ends_no_link() -> None:
    joined = Joined()
    link = joined.worker(0)
    defects: list[str] = []
    joined.hub.report_defect = link.report_defect = lambda defect, where: defects.append(f"{defect} in {where}")

    def fail(*_: object) -> None:
        raise ValueError("no such message")

    joined.hub.on_message = link.on_message = fail
    link.send(b"up")
    joined.hub.broadcast(b"down")
    await until(lambda: len(defects) == 2)
    assert sorted(defects) == [
        "no such message in a message of a worker",
        "no such message in a message of the control process",
    ]
    assert link.send(b"still joined")
    link.close()
    joined.hub.close()
