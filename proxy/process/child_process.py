"""Turns a process that was just forked into a child: signals, event loop, exit."""

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, NoReturn

from proxy.process.channel import Channel, Kind
from proxy.process.heartbeat import StackFile
from proxy.process.listeners import CannotStart

_FRAMES: Final = 12  # of a traceback, the innermost ones
_AGAIN_S: Final = 1.0  # before sockets that were lost are asked for again
ASKED_AGAIN: Final = "it is asked for again (ulimit -n)"


@contextlib.contextmanager
def sigterm_blocked() -> Iterator[None]:
    """Block SIGTERM around a fork: before the child has its own handler, the inherited one would lose the signal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def be_child(
    name: str,
    channel: Channel,
    stack: StackFile,
    close_parents_descriptors: Callable[[], None],
    serve: Callable[[], Coroutine[Any, Any, None]],
) -> NoReturn:
    """Turn a process that was forked with SIGTERM blocked into one that runs `serve`, then ends."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # A terminal sends these to the whole process group: only the parent acts on them.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        close_parents_descriptors()
        _show_name(name)
        stack.write_on_demand()
        with new_loop_runner() as runner:
            runner.run(serve())
        status = 0
    except CannotStart as exc:
        channel.send(Kind.FAILED, str(exc))  # says all there is to know: no defect of ours
    except BaseException as exc:
        said = traceback.format_exception_only(exc)[-1] + "".join(traceback.format_exception(exc, limit=-_FRAMES))
        channel.send(Kind.FAILED, said)  # the parent logs it, once for all children
    finally:
        # Not sys.exit: that would run the parent's clean-up and write the buffers that were copied by the fork.
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(status)


def ask_again(channel: Channel, kind: Kind, seat: str) -> None:
    """Sockets that the parent passed are lost, as no descriptor was free for them. Ask for others in a moment: at once,
    they would be lost again."""
    asyncio.get_running_loop().call_later(_AGAIN_S, _ask, channel, kind, seat)


def _ask(channel: Channel, kind: Kind, seat: str) -> None:
    if not channel.is_closed and not channel.send(kind, seat):
        ask_again(channel, kind, seat)


def new_loop_runner() -> asyncio.Runner:
    """A runner on uvloop where there is a wheel for it, on asyncio's own loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def _show_name(name: str) -> None:
    """Let `ps`, `top` and the kernel's log tell the processes of an instance apart."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(name)
