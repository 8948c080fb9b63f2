"""`python -m benchmarks.life.scrapes`: how long a scrape takes beside a load that keeps every core busy.

wrk keeps 32 connections busy over all routes; meanwhile one client scrapes as Prometheus does, on a connection of its own
each time, from its first packet to the answer's last byte. Every answer to the load is checked. docs/metrics.md has the
figures.
"""

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.upstreams import SMALL, upstreams
from benchmarks.load.wrk import Wrk, generate
from tests.harness.programs.process import free_port, serving, wait_until_listening

_SECONDS: Final = 12
_BETWEEN_S: Final = 0.05
#: As Prometheus 3 asks, which is answered in OpenMetrics.
_SCRAPE: Final = (
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept: application/openmetrics-text;version=1.0.0;"
    b"escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\nUser-Agent: Prometheus/3\r\n\r\n"
)
_CONFIG: Final = """
listen = "127.0.0.1:{port}"
workers = {workers}
access_log = "off"
admin.listen = "127.0.0.1:{admin}"
"""
_ROUTE: Final = """
[upstreams.u{number}]
urls = ["http://127.0.0.1:{upstream}"]
[routes.r{number}]
path = "/small/{number}"
upstream = "u{number}"
"""


class Scrapes(NamedTuple):
    """What was measured with so many routes and workers."""

    routes: int
    workers: int
    requests_per_s: float
    failed: int
    times: list[float]  # sorted, in seconds
    lines: int  # of an answer


def measure(routes: int, workers: int) -> Scrapes:
    """Load an instance with so many routes, and scrape it meanwhile."""
    with tempfile.TemporaryDirectory() as name, upstreams(Path(name)) as services:
        folder, port, admin = Path(name), free_port(), free_port()
        file = folder / "onehop.toml"
        each = (_ROUTE.format(number=number, upstream=services.plain) for number in range(routes))
        file.write_text(_CONFIG.format(port=port, workers=workers, admin=admin) + "".join(each))
        command = [sys.executable, "-m", "proxy", "run", "--config", str(file)]
        with serving(command, port) as server:
            wait_until_listening(server)
            scraper = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.life.scrapes", str(admin)], stdout=subprocess.PIPE, text=True
            )
            load = generate(Wrk(f'/small/" .. (n % {routes}) .. "', SMALL), port, folder, _SECONDS, 0)
            written = scraper.communicate()[0].split()
    times = sorted(map(float, written[1:]))
    return Scrapes(routes, workers, load.requests / load.duration_s, load.bad, times, int(written[0]))


def scrape(admin: int) -> None:
    """Print the lines of an answer, and the seconds that each scrape took, within the time of the load."""
    ends_at, times, answer = time.monotonic() + _SECONDS - 1, [], b""
    while time.monotonic() < ends_at:
        time.sleep(_BETWEEN_S)
        began = time.perf_counter()
        with socket.create_connection(("127.0.0.1", admin)) as connection:
            connection.sendall(_SCRAPE)
            parts = []
            while part := connection.recv(1 << 20):
                parts.append(part)
        times.append(time.perf_counter() - began)
        answer = b"".join(parts)
        assert (answer[:13], answer[-6:]) == (b"HTTP/1.1 200 ", b"# EOF\n"), answer[:200]
    print(answer.count(b"\n"), *times)


def main() -> None:
    """Print a table."""
    print("| routes | workers | requests/s | failed | lines | scrapes | p50 | p90 | p99 | max |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for routes in (1, 50):
        for workers in (1, 2):
            found = measure(routes, workers)
            times, most = found.times, len(found.times) - 1
            shown = " | ".join(f"{times[round(most * share)] * 1000:.1f} ms" for share in (0.5, 0.9, 0.99, 1.0))
            figures = f"{found.requests_per_s:,.0f} | {found.failed} | {found.lines:,} | {len(times)}"
            print(f"| {routes} | {workers} | {figures} | {shown} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        scrape(int(sys.argv[1]))
    else:
        main()
