"""Reload: a new generation, with the configuration as it is now, replaces the one that serves.

The new one is started beside the old one, on the same sockets. The old one is told to stop only when every process of
the new one serves; where that fails, the new one is ended, and the old one keeps serving.
"""

import gc
import socket
import time
from collections.abc import Iterator
from typing import Final

from proxy.config.build import listen_addresses, parse_listen
from proxy.config.model import Config
from proxy.config.sources import Loaded, Loader
from proxy.process import control, systemd
from proxy.process.channel import Kind
from proxy.process.commands import Reply
from proxy.process.generation import Generation
from proxy.process.instance import Instance
from proxy.process.listeners import CannotStart

#: Old generations that may finish their exchanges at once: each still has all its processes, and their memory.
_MOST_OLD: Final = 4
_START_S: Final = 60.0  # for every process of a generation to serve
#: For processes of old generations to close an address that was given up, and is wanted again.
_LET_GO_S: Final = 10.0
_LOOK_S: Final = 0.05
_NEVER: Final = float("inf")


class Generations:
    """The generation that serves, the next one while it starts, and old ones that finish what is under way.

    Raises CannotStart.
    """

    def __init__(self, loader: Loader, loaded: Loaded, instance: Instance) -> None:
        self._loader = loader
        self._instance = instance
        self._errors = instance.errors
        self.current = Generation(1, loaded, instance)
        instance.tally.serves(1)
        self._next: Generation | None = None
        self._old: list[Generation] = []  # the oldest first
        self._number = 1  # of the latest that served
        self._give_up_at = _NEVER
        self._is_asked = False
        self._only_if_changed = False  # asked by a changed file: an equal configuration is not loaded again
        self._loaded: Loaded | None = None  # what the next generation will have, while it waits for an address
        self._wait_until = _NEVER
        self._asking: list[Reply] = []  # clients that wait for the next reload: all get the same one
        self._answering: list[Reply] = []  # clients that wait for the reload under way
        self._bound_before: set[socket.socket] = set()  # when the reload under way began
        self._instance_stops = False

    def __iter__(self) -> Iterator[Generation]:
        yield from self._old
        yield self.current
        if self._next is not None:
            yield self._next

    @property
    def is_empty(self) -> bool:
        """Whether there is no process any more."""
        return all(generation.is_empty for generation in self)

    @property
    def worker_is_left(self) -> bool:
        """Whether a worker lives."""
        return any(generation.worker_is_left for generation in self)

    def due(self, now: float) -> Iterator[float]:
        """The times at which there is something to do, whatever processes do."""
        for generation in self:
            yield from generation.due(now)
        if self._next is not None:
            yield self._give_up_at
        elif self._loaded is not None:
            yield now + _LOOK_S
        elif self._is_asked:
            yield self._begin_at(now)

    def freeze(self) -> None:
        """Before a fork: exempt existing objects from garbage collection, which would copy their shared pages."""
        gc.unfreeze()
        gc.collect()  # objects of earlier generations
        gc.freeze()

    def reload(self, reply: Reply | None = None) -> None:
        """Load the configuration again, and serve by it. Requests that come before it begins share one reload."""
        if self._instance_stops:
            if reply is not None:
                reply(1, ["onehop is stopping"])
            return
        self._is_asked, self._only_if_changed = True, False
        if reply is not None:
            self._asking.append(reply)

    def reopen_logs(self) -> None:
        """Let workers open the access log anew: its file was renamed."""
        for generation in self:
            for slot in generation.workers:
                if slot.channel is not None:
                    slot.channel.insist(Kind.REOPEN_LOG)

    def maintain(self) -> None:
        """Do what is due."""
        for generation in self:
            generation.maintain()
        for old in [old for old in self._old if old.is_empty]:
            self._old.remove(old)
            old.close()
        if self._instance_stops:
            return
        now = time.monotonic()
        if self.current.file_has_changed:
            self.current.file_has_changed = False
            if not self._is_asked:
                self._is_asked = self._only_if_changed = True
        if self._next is not None:
            self._look_at(self._next, now)
        elif self._loaded is not None:
            self._begin_with(self._loaded, now)
        elif self._is_asked and self._begin_at(now) <= now:
            if len(self._old) < _MOST_OLD:
                self._begin(now)
            else:
                self._old[0].cut()

    def say_that_the_instance_stops(self) -> None:
        """Refuse reloads, and let /readyz answer 503. Everything is still served."""
        self._instance_stops = True
        self._is_asked = False
        self._loaded = None
        for reply in (*self._asking, *self._answering):
            reply(1, ["onehop is stopping"])
        self._asking, self._answering = [], []
        for generation in self:
            generation.say_that_the_instance_stops()

    def shut_down(self) -> None:
        """End them all."""
        self.say_that_the_instance_stops()
        self._instance.listeners.close()  # else the kernel accepts connections that nobody will serve
        for generation in self:
            generation.shut_down()

    def cut(self) -> None:
        """End them all at once."""
        self.say_that_the_instance_stops()
        self._instance.listeners.close()
        for generation in self:
            generation.cut()

    def end_control(self) -> None:
        """End the control processes, once no worker is left."""
        self._instance.control_listeners.close()
        for generation in self:
            generation.end_control()

    # -- one reload ------------------------------------------------------------------------------------------------

    def _begin_at(self, now: float) -> float:
        """When a reload may begin (monotonic time): earlier, too many generations would live at once."""
        if not self.current.has_served:
            return _NEVER  # the first generation may still fail to start
        if len(self._old) < _MOST_OLD:
            return now
        oldest = self._old[0]
        if oldest.is_cut:
            return _NEVER  # until it has ended
        # Its exchanges have had their time by then: only tunnels are left, and those are ended for the new generation.
        return oldest.stopped_at + oldest.config.timeouts.drain_s

    def _begin(self, now: float) -> None:
        self._is_asked = False
        self._answering, self._asking = self._asking, []
        only_if_changed, self._only_if_changed = self._only_if_changed, False
        if not only_if_changed:
            systemd.notify_reloading()
        loaded = self._load()
        if loaded is None or loaded.config is None or (only_if_changed and loaded.config == self.current.config):
            return
        self._wait_until = now + _LET_GO_S
        self._begin_with(loaded, now)

    def _begin_with(self, loaded: Loaded, now: float) -> None:
        self._loaded = loaded if now < self._wait_until and self._is_still_held(loaded.valid()) else None
        if self._loaded is not None:
            return
        self.freeze()
        self._bound_before = self._instance.listeners.bound() | self._instance.control_listeners.bound()
        try:
            self._next = Generation(self._number + 1, loaded, self._instance)
        except CannotStart as exc:
            self._close_new_sockets()
            self._errors.error(str(exc))
            self._refuse([str(exc)])
            return
        except Exception as exc:  # a defect in what only this configuration needs must not end the parent
            self._close_new_sockets()
            self._errors.defect(exc, "preparing to serve by the new configuration")
            self._refuse(["the configuration could not be prepared"])
            return
        self._give_up_at = now + _START_S
        self._next.maintain()

    def _is_still_held(self, config: Config) -> bool:
        """Whether an old process has not closed yet what is to be listened on again."""
        ports = {parse_listen(address)[1] for old in self._old for address in _addresses(old.config)}
        wanted = [(self._instance.listeners, address) for address in listen_addresses(config)]
        wanted += [(self._instance.control_listeners, address) for address in control.addresses(config)]
        return any(
            parse_listen(address)[1] in ports and listeners.is_held_elsewhere(address) for listeners, address in wanted
        )

    def _load(self) -> Loaded | None:
        try:
            loaded = self._loader()
        except Exception as exc:  # a defect in the loader must not end the parent
            self._errors.defect(exc, "reading the configuration")
            self._refuse(["the configuration could not be read"])
            return None
        if loaded.config is None:
            for problem in loaded.problems:
                self._errors.error(str(problem))
            self._refuse([str(problem) for problem in loaded.problems])
        return loaded

    def _look_at(self, generation: Generation, now: float) -> None:
        if generation.serves:
            self._switch_to(generation)
        elif generation.start_failure:
            self._give_up(generation, generation.start_failure)
        elif now >= self._give_up_at:
            self._give_up(generation, [f"it did not serve within {_START_S:g} s"])

    def _switch_to(self, generation: Generation) -> None:
        old, self.current, self._next = self.current, generation, None
        self._number = generation.number
        self._errors.configure(generation.config.log_level, generation.config.log_format)
        # Before the old workers stop: they accept what is in the queue of a removed address, then close it.
        self._instance.listeners.keep_only(listen_addresses(generation.config))
        self._instance.control_listeners.keep_only(generation.control_addresses)
        old.retire()
        self._old.append(old)
        self._instance.tally.serves(generation.number)
        self._instance.tally.reloaded("accepted")
        said = f"generation {generation.number} serves"
        self._errors.info(f"reload: {said}")
        systemd.notify(f"READY=1\nSTATUS={said}")
        self._answer(0, [said])

    def _give_up(self, generation: Generation, reason: list[str]) -> None:
        self._next = None
        self._close_new_sockets()
        generation.retire()  # some of its workers may have accepted clients already
        self._old.append(generation)
        self._refuse(reason)

    def _close_new_sockets(self) -> None:
        for listeners in (self._instance.listeners, self._instance.control_listeners):
            listeners.close_all_but(self._bound_before)

    def _refuse(self, reason: list[str]) -> None:
        said = f"the new configuration was refused; generation {self._number} keeps serving"
        self._errors.error(f"reload: {said}")
        self._instance.tally.reloaded("refused")
        systemd.notify("READY=1")
        self._answer(1, [*reason, said])

    def _answer(self, status: int, lines: list[str]) -> None:
        answering, self._answering = self._answering, []
        for reply in answering:
            reply(status, lines)


def _addresses(config: Config) -> list[str]:
    return listen_addresses(config) + control.addresses(config)
