"""Load by wrk: requests of which no two are alike, and answers whose status and length are checked, each one."""

import re
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.processes import LOAD_CORE, pinned
from benchmarks.load.samples import Load

# The requests are written as text: wrk.format would sort and join a table for each. `bad` is a global, because that is
# what done() can read of a thread.
_SCRIPT: Final = """
local n = {first}
bad = 0
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function request()
  n = n + 1
  return "{method} {path}/" .. n .. "?q=" .. n .. " {version}\\r\\nHost: bench.example\\r\\n{fields}\\r\\n\\r\\n{body}"
end
function response(status, headers, body)
  if status ~= 200 or #body ~= {length} then bad = bad + 1 end
end
function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("bad") end
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration,
    wrong + e.connect + e.read + e.write + e.timeout))
end
"""
_DISTINCT: Final = re.compile(r"@")  # in a field's value: this request's number

SEVEN_FIELDS: Final = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
    "Referer: http://bench.example/page/@",
    "Cookie: session=s@; theme=dark",
    "Cache-Control: no-cache",
)
NINETEEN_FIELDS: Final = (
    *SEVEN_FIELDS,
    'Sec-CH-UA: "Chromium";v="126", "Not)A;Brand";v="24"',
    "Sec-CH-UA-Mobile: ?0",
    'Sec-CH-UA-Platform: "Linux"',
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
    "Upgrade-Insecure-Requests: 1",
    "DNT: 1",
    "Priority: u=0, i",
    'If-None-Match: "v@"',
    "X-Requested-With: XMLHttpRequest",
)


class Wrk(NamedTuple):
    """One kind of load. `Host` goes before `fields`."""

    path: str
    length: int
    fields: tuple[str, ...] = SEVEN_FIELDS
    method: str = "GET"
    version: str = "HTTP/1.1"
    body: str = ""
    connections: int = 32

    def script(self, first: int) -> str:
        """What wrk runs; requests are numbered from `first`."""
        lines = "\\r\\n".join(line.replace('"', '\\"') for line in self.fields)
        return _SCRIPT.format(
            first=first, method=self.method, path=self.path, version=self.version, body=self.body,
            fields=_DISTINCT.sub('" .. n .. "', lines), length=self.length,
        )  # fmt: skip


def generate(load: Wrk, port: int, folder: Path, seconds: float, first: int) -> Load:
    """Load a port for some whole seconds. Raises RuntimeError where wrk gives no result."""
    script = folder / "load.lua"
    script.write_text(load.script(first))
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{load.connections}", f"-d{whole}s", "--timeout", "10s", "-s", str(script)]
    done = subprocess.run(
        pinned([*command, f"http://127.0.0.1:{port}"], LOAD_CORE),
        capture_output=True, text=True, check=False, timeout=whole + 30,
    )  # fmt: skip
    found = re.search(r"RESULT (\d+) (\d+) (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(f"wrk gave no result: {(done.stdout + done.stderr).strip()[:200]}")
    requests, duration_us, bad = map(int, found.groups())
    return Load(requests, duration_us / 1e6, bad)
