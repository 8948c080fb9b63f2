"""What each feature costs: instructions of a worker per small GET, counted by callgrind. `--help` says more.

A count hardly depends on the machine, or on what else it does: differences of one percent are real. It leaves out the
kernel's share, and the memory that instructions wait for.
"""

import argparse
import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from benchmarks.features.cases import CASES, Case, configuration

_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n"
    b'Cache-Control: no-store\r\nETag: "1"\r\nX-User: ann\r\nX-Frame-Options: DENY\r\n\r\n' + b"x" * 128
)
_COOKIE: Final = re.compile(rb"[Ss]et-[Cc]ookie: ([^;\r]+)")
_TOTAL: Final = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


def main() -> None:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="of each feature that count (default: 200)")
    parser.add_argument("--only", default="", help="features whose names contain this, beside the defaults")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.error("needs valgrind: apt-get install valgrind")
    cases = [CASES[0], *(case for case in CASES[1:] if options.only in case.name)]
    print("| feature | thousand instructions per small GET | more than the defaults |\n| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="onehop-features-") as name:
        folder = Path(name)
        _write_files(folder)
        usual = 0.0
        with _service(None) as plain, _service(folder / "a.pem") as secured, _counted(folder) as worker:
            for number, case in enumerate([CASES[0], *cases]):
                # The first round is for the interpreter, which learns from it.
                count = _count(case, secured if case.tls_upstream else plain, folder, worker, options.requests) / 1000
                if not number:
                    continue
                usual = usual or count
                print(f"| {case.name} | {count:.1f} | {count / usual - 1:+.1%} |", flush=True)


def _count(case: Case, service: int, folder: Path, worker: "_Worker", requests: int) -> float:
    file = folder / "onehop.toml"
    file.write_text(configuration(case, service, str(folder)))
    port = int(worker.told(f"serve {file}"))
    with contextlib.closing(_connected(port, folder if case.tls else None)) as client:
        client.sendall(case.before)
        cookie = b""
        for number in range(60):  # what is done once is done
            cookie = _ask(client, number, case, cookie)
        worker.mark()
        for number in range(requests):
            _ask(client, 60 + number, case, cookie)
        counted = worker.mark()
    worker.told("stop")
    return counted / requests


def _ask(client: socket.socket, number: int, case: Case, cookie: bytes) -> bytes:
    sticky = b"Cookie: " + cookie + b"\r\n" if cookie else b""
    client.sendall(
        b"GET /small/%d HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
        b"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip\r\n"
        b"Referer: http://bench.example/%d\r\nCache-Control: no-cache\r\nDNT: 1\r\n%b%b\r\n"
        % (number, number, sticky, case.fields)
    )
    received = b""
    while not received.endswith(b"x" * 128):
        data = client.recv(8192)
        assert data, (case.name, received)
        received += data
    assert received.startswith(b"HTTP/1.1 200 "), (case.name, received)
    found = _COOKIE.search(received)
    return found[1] if found is not None else cookie


def _connected(port: int, folder: Path | None) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if folder is None:
        return raw
    context = ssl.create_default_context(cafile=str(folder / "a.pem"))
    return context.wrap_socket(raw, server_hostname="a.example")


class _Worker:
    """The process that is counted."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: Path) -> None:
        assert process.stdin is not None
        assert process.stderr is not None
        self._in: IO[bytes] = process.stdin
        self._said: IO[bytes] = process.stderr
        self._out = out
        self._dumps = 0

    def told(self, line: str) -> str:
        """Tell it something; what it answers."""
        self._in.write(line.encode() + b"\n")
        self._in.flush()
        while answer := self._said.readline():
            if answer.startswith(b"@"):
                return answer[1:].decode().strip()
            sys.stderr.buffer.write(answer)
        raise SystemExit("the counted process has ended")

    def mark(self) -> int:
        """End a stretch; how many instructions it took."""
        self.told("mark")
        self._dumps += 1
        found = _TOTAL.search(Path(f"{self._out}.{self._dumps}").read_text())
        assert found is not None
        return int(found[1])


@contextlib.contextmanager
def _counted(folder: Path) -> Iterator[_Worker]:
    out = folder / "callgrind"
    words = [
        "valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}",
        f"--log-file={folder / 'valgrind.log'}", sys.executable, "-m", "benchmarks.features.serve",
    ]  # fmt: skip
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    try:
        yield _Worker(process, out)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _service(pem: Path | None) -> Iterator[int]:
    """A service that gives every request the same answer; a thread for each connection."""
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            unread = b""
            while data := connection.recv(65_536):
                unread += data
                while b"\r\n\r\n" in unread:
                    unread = unread.partition(b"\r\n\r\n")[2]
                    connection.sendall(_ANSWER)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


def _write_files(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(folder / "key"), "-out", str(folder / "crt"), "-subj", "/CN=a.example", "-days", "30",
         "-addext", "subjectAltName=DNS:a.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "a.pem").write_text((folder / "crt").read_text() + (folder / "key").read_text())
    import bcrypt

    (folder / "users").write_bytes(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)) + b"\n")


if __name__ == "__main__":
    main()
