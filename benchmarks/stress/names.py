"""A name server of our own, and the mount namespace in which a proxy asks it: needs root."""

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.stress.row import NotRun

ADDRESS: Final = "127.0.0.77"
_PORT: Final = 53  # resolv.conf cannot name another
_TYPE_A: Final = 1
_TTL_S: Final = 1
_ANSWER: Final = 0x8400  # a response, authoritative
_NO_SUCH_NAME: Final = 3


class NameServer:
    """Answers from `addresses`; a name whose address is None is never answered, nor is any while `silent`."""

    def __init__(self, addresses: Mapping[str, str | None]) -> None:
        self.addresses = dict(addresses)
        self.silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve)

    @contextmanager
    def serving(self) -> "Iterator[NameServer]":
        """Serve until the block ends. Raises NotRun where the address is not ours to take."""
        try:
            self._socket.bind((ADDRESS, _PORT))
        except OSError as exc:
            self._socket.close()
            raise NotRun(f"no name server on {ADDRESS}:{_PORT}: {exc.strerror}") from exc
        self._thread.start()
        try:
            yield self
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (ADDRESS, _PORT))
            self._thread.join()
            self._socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            if not query:
                return
            answer = None if self.silent else self._answer(query)
            if answer is not None:
                self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes | None:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii").lower())
            at += 1 + query[at]
        question = query[12 : at + 5]
        (kind,) = struct.unpack_from("!H", query, at + 1)
        name = ".".join(labels)
        if name not in self.addresses:
            return query[:2] + struct.pack("!5H", _ANSWER | _NO_SUCH_NAME, 1, 0, 0, 0) + question
        address = self.addresses[name]
        if address is None:
            return None
        if kind != _TYPE_A:
            return query[:2] + struct.pack("!5H", _ANSWER, 1, 0, 0, 0) + question
        record = struct.pack("!3HIH", 0xC00C, _TYPE_A, 1, _TTL_S, 4) + socket.inet_aton(address)
        return query[:2] + struct.pack("!5H", _ANSWER, 1, 1, 0, 0) + question + record


def asking_us(folder: Path) -> list[str]:
    """What goes before a command so that its resolver asks our name server. Raises NotRun where that is not possible."""
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        raise NotRun("a resolv.conf of its own needs root, and unshare of util-linux")
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "resolv.conf"
    own.write_text(f"nameserver {ADDRESS}\n")
    bound = [unshare, "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(own)]
    tried = subprocess.run([*bound, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise NotRun(f"a resolv.conf of its own: {tried.stderr.strip()[-80:]}")
    return bound
