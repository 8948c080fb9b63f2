"""What TLS costs: CPU per request of onehop and its peers. `python -m benchmarks.tls --help`."""

import argparse
import re
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.load.processes import LOAD_CORE, PROXY_CORE, clock, pinned
from benchmarks.load.upstreams import SMALL, upstreams
from benchmarks.tls.peers import PEERS, Peer, Place
from tests.harness.programs import NGINX
from tests.harness.programs.process import Server, free_port, serving, wait_until_listening

_DONE: Final = re.compile(r"(\d+) requests in")
_GET: Final = b"GET /small/1 HTTP/1.1\r\nHost: a.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"

#: Loads the proxy for some seconds; returns how many requests were answered.
Load = Callable[[Server, float], int]


def _wrk(path: str, connections: int, scheme: str = "https") -> Load:
    def load(server: Server, seconds: float) -> int:
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", f"{scheme}://127.0.0.1:{server.port}{path}"]
        done = subprocess.run(pinned(words, LOAD_CORE), capture_output=True, text=True, check=True, timeout=120)
        found = _DONE.search(done.stdout)
        assert found is not None, done.stdout
        assert "Non-2xx" not in done.stdout, done.stdout
        return int(found[1])

    return load


def _connections(*, resumed: bool) -> Load:
    """A connection for each request, whose session is resumed or not; that it was so is checked."""

    def load(server: Server, seconds: float) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        session: ssl.SSLSession | None = None
        count, ends_at = 0, time.monotonic() + seconds
        while time.monotonic() < ends_at:
            raw = socket.create_connection(("127.0.0.1", server.port))
            with context.wrap_socket(raw, server_hostname="a.example", session=session if resumed else None) as tls:
                tls.sendall(_GET)
                received = b""
                while not received.endswith(b"x" * SMALL):
                    received += tls.recv(8192)
                assert received.startswith(b"HTTP/1.1 200"), received
                assert tls.session_reused is (resumed and session is not None)
                session = tls.session
            count += 1
        return count

    return load


#: Name, load, whether TLS is spoken to the service instead of the client.
WORKLOADS: Final[list[tuple[str, Load, bool]]] = [
    ("new connection", _connections(resumed=False), False),
    ("resumed connection", _connections(resumed=True), False),
    ("small GET", _wrk("/small/1", 32), False),
    ("64 KB", _wrk("/64k", 16), False),
    ("10 MB", _wrk("/10m", 4), False),
    ("small GET, TLS to the service", _wrk("/small/1", 32, "http"), True),
]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tls", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each; the median counts (default: 3)")
    parser.add_argument("--only", default="", help="workloads whose names contain this")
    parser.add_argument("--proxies", default="", help="only these, between commas")
    options = parser.parse_args()
    wanted = options.proxies.split(",") if options.proxies else [peer.name for peer in PEERS]
    peers = [peer for peer in PEERS if peer.name in wanted and peer.program.find() is not None]
    print("| CPU µs per request |", *(f" {peer.name} |" for peer in peers))
    print("| --- |", *(" ---: |" for _ in peers))
    with tempfile.TemporaryDirectory() as folder, _services(Path(folder)) as (plain, secured, pem):
        for number, (name, load, to_service) in enumerate(row for row in WORKLOADS if options.only in row[0]):
            figures: dict[str, list[float]] = {}
            for turn in range(options.rounds):
                for peer in peers:
                    place = Path(folder) / f"{number}-{turn}-{peer.name}"
                    cost = _cost(peer, place, secured if to_service else plain, pem, load, to_service, options.seconds)
                    figures.setdefault(peer.name, []).append(cost)
            print(f"| {name} |", *(f" {median(figures[peer.name]):,.0f} |" for peer in peers), flush=True)
    for peer in peers:
        print(f"{peer.name} {peer.program.said_version()}")


@contextmanager
def _services(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """A service without TLS, one with it, and the certificate: ECDSA on P-256, as Let's Encrypt makes them today."""
    pem = folder / "a.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(pem), "-out", str(folder / "a.crt"), "-subj", "/CN=a.example", "-days", "30",
         "-addext", "subjectAltName=DNS:a.example,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    pem.write_text((folder / "a.crt").read_text() + pem.read_text())
    with upstreams(folder / "upstreams") as found:
        config = (folder / "upstreams" / "nginx.conf").read_text()
        port = free_port()
        own = folder / "secured.conf"
        secured = f"listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {pem}; ssl_certificate_key {pem};"
        own.write_text(
            config.replace(f"listen 127.0.0.1:{found.plain} backlog=4096;", secured).replace("/pid;", "/pid2;")
        )
        nginx = NGINX.find()
        assert nginx is not None
        with serving(pinned([nginx, "-c", str(own), "-p", str(folder)], LOAD_CORE), port) as server:
            wait_until_listening(server)
            yield found.plain, port, pem


def _cost(
    peer: Peer, folder: Path, upstream: int, pem: Path, load: Load, to_service: bool, seconds: float
) -> float:  # fmt: skip
    """CPU per request, in microseconds."""
    folder.mkdir()
    program = peer.program.find()
    assert program is not None
    command = peer.command(program, Place(folder, port := free_port(), upstream, pem, to_service))
    started = serving(pinned(command, PROXY_CORE), port, errors=folder / "errors", environment=peer.environment)
    with started as server:
        wait_until_listening(server)
        load(server, 1.0)  # everything is loaded, and connections to the service are open
        before = clock(server.pid)
        count = load(server, seconds)
        return clock(server.pid).since(before).cpu_us / count


if __name__ == "__main__":
    main()
