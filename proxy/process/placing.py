"""Sockets that the parent hands to running processes: those of workers that are missing or late, and links."""

from collections.abc import Sequence

from proxy.process.channel import Kind, Message
from proxy.process.link import pair
from proxy.process.slot import Slot, State
from proxy.telemetry.error_log import ErrorLog


def place_sockets(workers: Sequence[Slot]) -> None:
    """Let a worker that serves also accept on the sockets of one that does not, or is late, until that one serves."""
    for slot in workers:
        if _serves(slot):
            _take_back(slot)
        elif slot.adopter is None or not _serves(slot.adopter):
            serving = [other for other in workers if _serves(other)]
            serving.sort(key=lambda other: sum(one.adopter is other for one in workers))
            for other in serving:
                if other.channel is not None and other.channel.send(Kind.ADOPT, str(slot.seat), slot.sockets):
                    _take_back(slot)
                    slot.adopter = other
                    break


def _serves(slot: Slot) -> bool:
    return slot.state is State.SERVING and not slot.is_late


def _take_back(slot: Slot) -> None:
    if slot.adopter is not None and slot.adopter.channel is not None:
        slot.adopter.channel.insist(Kind.GIVE_BACK, str(slot.seat))
    slot.adopter = None


def join_links(workers: Sequence[Slot], control: Slot, errors: ErrorLog) -> None:
    """Link each worker to the control process; link again where either was replaced."""
    if control.channel is None:
        return
    for slot in workers:
        if slot.channel is not None and slot.linked_to != control.pid:
            try:
                of_worker, of_control = pair()
            except OSError as exc:  # no descriptor left: tried again at the next turn
                errors.warning(f"cannot connect a worker to the control process: {exc.strerror}")
                return
            with of_worker, of_control:
                if slot.channel.send(Kind.LINK, str(slot.seat), [of_worker]) and control.channel.send(
                    Kind.LINK, str(slot.seat), [of_control]
                ):
                    slot.linked_to = control.pid


def offer_again(message: Message, asker: Slot, workers: Sequence[Slot]) -> None:
    """A process had no descriptors for what it was given, and asks for it again: it gets it at the next look."""
    for slot in workers:
        if str(slot.seat) != message.text:
            continue
        if message.kind is Kind.NOT_LINKED:
            slot.linked_to = 0
        elif slot.adopter is asker and asker.channel is not None:
            asker.channel.insist(Kind.GIVE_BACK, message.text)  # it may have been given them again meanwhile
            slot.adopter = None
