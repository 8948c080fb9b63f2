"""The addresses of a name, looked up beside the event loop.

`getaddrinfo` blocks, for as long as the system's resolver likes. Each lookup has a thread of its own, so that a name
whose servers are silent delays nobody who asks for another; a name is looked up once at a time, however many ask.
While no name server answers, the addresses that a name had last are used on (RFC 8767).
"""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from proxy.errors import ConnectTimeout, NameNotFound

#: Blocks until it has the addresses of a host name, in the order in which to prefer them. Raises OSError.
Lookup: TypeAlias = Callable[[str], Iterable[str]]

_LATE_S: Final = 0.25  # then the last known addresses are tried, as a lookup takes milliseconds where it works
_STALE_S: Final = 86_400.0  # RFC 8767 §5: one day to three
_KEEP_S: Final = 1.0  # a burst of new connections asks once; longer would need the records' own time to live


def system_lookup(host: str) -> list[str]:
    """The addresses that the system's resolver has for a name."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for *_, address in found]


class Resolver:
    """Looks names up for one worker. There are at most as many threads as names in the configuration."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, timeout_s: float, lookup: Lookup = system_lookup) -> None:
        self._loop = loop
        self._timeout_s = timeout_s
        self._lookup = lookup
        self._answers: dict[str, asyncio.Future[list[str] | Exception]] = {}
        self._last_known: dict[str, tuple[float, list[str]]] = {}  # by name: when they were found, and the addresses
        self._late: set[str] = set()

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a host, most preferred first; an address is its own.

        Raises NameNotFound (no such name, or none of its servers answers) and ConnectTimeout past `timeout_s`, and
        OSError where this process lacks descriptors or memory.
        """
        if _is_address(host):
            return [host]
        answer = self._answers.get(host)
        if answer is None:
            answer = self._start(host)
        last_known = self._still_usable(host)
        if not answer.done() and host not in self._late:
            await asyncio.wait((answer,), timeout=min(_LATE_S, self._timeout_s) if last_known else self._timeout_s)
        if not answer.done():
            self._late.add(host)  # no other needs to wait for it until it comes
            if last_known:
                return last_known
            raise ConnectTimeout(f"looking up {host} took more than {self._timeout_s:g} s", code="dns_timeout")
        found = answer.result()
        if isinstance(found, socket.gaierror):
            if found.errno == socket.EAI_AGAIN and last_known:  # no server answers; another error is an answer
                return last_known
            raise NameNotFound(f"{host} has no address: {found.strerror}") from found
        if isinstance(found, Exception):
            raise found
        if not found:
            raise NameNotFound(f"{host} has no address")
        return found

    def _still_usable(self, host: str) -> list[str]:
        found_at, addresses = self._last_known.get(host, (0.0, []))
        return addresses if addresses and self._loop.time() - found_at < _STALE_S else []

    def _start(self, host: str) -> "asyncio.Future[list[str] | Exception]":
        answer: asyncio.Future[list[str] | Exception] = self._loop.create_future()
        # A daemon: the interpreter joins an executor's threads at exit, and would wait for a silent server.
        thread = threading.Thread(target=self._run, args=(host, answer), name=f"lookup {host}", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            raise OSError(errno.ENOMEM, "no thread for a lookup") from exc
        self._answers[host] = answer
        return answer

    def _run(self, host: str, answer: "asyncio.Future[list[str] | Exception]") -> None:
        found: list[str] | Exception
        try:
            found = list(dict.fromkeys(self._lookup(host)))
        except Exception as exc:  # told to those who wait: none of them may wait for ever
            found = exc
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile: nobody asks any more
            self._loop.call_soon_threadsafe(self._finish, host, answer, found)

    def _finish(self, host: str, answer: "asyncio.Future[list[str] | Exception]", found: list[str] | Exception) -> None:
        self._late.discard(host)
        if not isinstance(found, Exception):
            self._last_known[host] = (self._loop.time(), found)
        answer.set_result(found)
        self._loop.call_later(_KEEP_S, self._answers.pop, host, None)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def interleaved(addresses: Iterable[str]) -> list[str]:
    """The addresses, the families in turn, beginning with the first one's (RFC 8305 §4): where one family leads
    nowhere, the second attempt is at the other."""
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    if len(families) < 2:
        return [address for family in families.values() for address in family]
    first, second = families.values()
    alternating = [address for pair in zip(first, second, strict=False) for address in pair]
    shorter = len(alternating) // 2
    return [*alternating, *first[shorter:], *second[shorter:]]
