"""What the proxy asks of the kernel and of its process, answered by the simulation."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from proxy.downstream import acceptor, listener
from proxy.http1.parsing.self_test import disagreements
from proxy.process import memory, worker
from proxy.telemetry.error_log import ErrorLog
from proxy.transport import sockets
from proxy.transport.sockets import PeerEnd
from proxy.upstream.resolver import Resolver
from tests.simulation.access import simulated_access
from tests.simulation.loop import ServerSocket
from tests.simulation.names import start_lookup
from tests.simulation.pipe import SimulatedPipe
from tests.simulation.transport import KernelView

_under_way = False


class NotedErrors(ErrorLog):
    """What is reported as a defect of the proxy's: `defect` is handed on as it is to all who report one, so that to replace
    it in an object would leave out those that have it already."""

    noted: list[str]

    def defect(self, defect: BaseException, where: str) -> None:
        self.noted.append(f"{where}: {defect!r}")


@contextmanager
def simulated_kernel() -> Iterator[None]:
    """From here on, the simulated kernel answers. Within another such context, this changes nothing: many worlds in one
    cost less."""
    global _under_way
    if _under_way:
        yield
        return
    found = disagreements()  # an interpreter's, which are the same in every world

    def known() -> list[str]:  # no mock: that counts and remembers each call
        return found

    with ExitStack() as patches:
        for patch in (
            mock.patch.object(sockets, "untaken_bytes", _untaken_bytes),
            mock.patch.object(sockets, "unread_bytes", _unread_bytes),
            mock.patch.object(sockets, "reset_on_close", _reset_on_close),
            mock.patch.object(sockets, "peer_end", _peer_end),
            mock.patch.object(sockets, "poll_for_reading", _poll_for_reading),
            mock.patch("proxy.transport.stream.Remainder", _Remainder),
            mock.patch("proxy.transport.splicing.Pipe", SimulatedPipe),
            mock.patch.object(acceptor, "has_waiting", _has_waiting),
            mock.patch.object(listener, "has_waiting", _has_waiting),
            mock.patch.object(worker, "disagreements", known),
            mock.patch.object(worker, "ErrorLog", NotedErrors),
            mock.patch.object(Resolver, "_start", start_lookup),
            mock.patch.object(memory, "resident_bytes", int),  # zero
        ):
            patches.enter_context(patch)
        simulated_access(patches)
        _under_way = True
        try:
            yield
        finally:
            _under_way = False


def _untaken_bytes(raw: KernelView) -> int:
    endpoint = raw.endpoint
    return 0 if endpoint.is_closed else endpoint.unsent_at_reset if endpoint.is_dead else len(endpoint.unsent)


def _unread_bytes(raw: KernelView) -> int:
    return 0 if raw.endpoint.is_closed else len(raw.endpoint.received)


def _reset_on_close(raw: KernelView) -> None:
    raw.endpoint.linger_zero = True


def _peer_end(raw: KernelView) -> PeerEnd | None:
    endpoint = raw.endpoint
    if endpoint.is_closed or endpoint.is_dead or (endpoint.fin_received and endpoint.fin_sent):
        return PeerEnd.RESET
    return PeerEnd.FIN if endpoint.fin_received else None


def _poll_for_reading(raw: KernelView) -> Callable[[int], list[tuple[int, int]]]:
    return lambda _: [(0, 0)] if _peer_end(raw) is not None or raw.endpoint.received else []


def _has_waiting(listening: ServerSocket) -> bool:
    return bool(listening.listening.queue)


class _Remainder(sockets.Remainder):
    """The same over a simulated endpoint: the second descriptor is the endpoint's queue itself."""

    def __init__(self, raw: KernelView, error: OSError) -> None:  # the base class asks the real kernel
        self._endpoint = raw.endpoint
        self.first = b""
        self.ended_cleanly = False
        self._proper_end = error.errno == 32
        self._rest = b""
        self.first = self._read_up_to(65_536, -1)
        if len(self.first) >= 65_536:
            self._rest = bytes(self._endpoint.received)

    @property
    def has_more(self) -> bool:
        return bool(self._rest)

    def next(self) -> bytes:
        piece, self._rest = self._rest[:65_536], self._rest[65_536:]
        if not piece:
            self.ended_cleanly = self._proper_end
        return piece

    def drop(self) -> None:
        self._rest = b""

    def _read(self, descriptor: int) -> bytes:
        try:
            piece = self._endpoint.recv(65_536)
        except OSError:
            return b""
        if not piece:
            self.ended_cleanly = self._proper_end
        return piece
