"""What is asked of every proxy: requests of which no two are alike, and answers whose status and length are checked."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

SMALL = 128

_SCRIPT = """
local n = 0
bad = 0
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function init(args) bad = 0 end
function request()
  n = n + 1
  local headers = {{
    ["Host"] = "bench.example", ["Accept"] = "text/html,application/xhtml+xml", ["Accept-Encoding"] = "gzip",
    ["Accept-Language"] = "en-US,en;q=0.5", ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) bench",
    ["Referer"] = "http://bench.example/" .. n, ["Cookie"] = "session=" .. (n * 7919), ["Cache-Control"] = "no-cache",
    {headers}
  }}
  return wrk.format("{method}", "{path}?" .. n, headers, {body})
end
function response(status, headers, body)
  if status ~= 200 or #body ~= {length} then bad = bad + 1 end
end
function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("bad") end
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    wrong + e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""

_BROWSER = ", ".join(f'["Sec-Probe-{number}"] = "value " .. n' for number in range(12))


class Workload(NamedTuple):
    """One kind of load."""

    name: str
    path: str = "/small"
    length: int = SMALL
    method: str = "GET"
    headers: str = ""
    body: str = "nil"
    connections: int = 32
    log: bool = False

    def script(self) -> str:
        """What wrk runs."""
        return _SCRIPT.format(
            path=self.path, length=self.length, method=self.method, headers=self.headers, body=self.body
        )


WORKLOADS = [
    Workload("small GET"),
    Workload("small GET, access log", log=True),
    Workload("20 fields", headers=_BROWSER),
    Workload("small POST", method="POST", body='string.rep("x", 100)'),
    Workload("64 KB answer", path="/64k", length=65_536, connections=16),
    Workload("10 MB answer", path="/10m", length=10_000_000, connections=4),
    Workload("10 MB upload", path="/sink", method="POST", body='string.rep("x", 10000000)', connections=4),
    Workload("chunked answer", path="/chunked", length=3 * 300),
    Workload("a connection per request", headers='["Connection"] = "close"'),
    Workload("1,000 clients", connections=1000),
]


class Load(NamedTuple):
    """What wrk counted. Durations in seconds."""

    requests: int
    duration_s: float
    bad: int
    p50_s: float
    p99_s: float


def generate(workload: Workload, port: int, folder: Path, seconds: float, cpu: int | None) -> Load:
    """Load a port for some seconds. Raises RuntimeError where wrk says nothing."""
    script = folder / f"{re.sub(r'[^a-z0-9]', '-', workload.name.lower())}.lua"
    script.write_text(workload.script())
    pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
    done = subprocess.run(
        [
            *pin, "wrk", "-t1", f"-c{workload.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(script),
            f"http://127.0.0.1:{port}",
        ],
        capture_output=True, text=True, check=False, timeout=seconds + 60,
    )  # fmt: skip
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(f"wrk said {done.stdout + done.stderr!r}")
    requests, duration, bad, p50, p99 = map(int, found.groups())
    return Load(requests, duration / 1e6, bad, p50 / 1e6, p99 / 1e6)
