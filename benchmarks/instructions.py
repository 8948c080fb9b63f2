"""`python -m benchmarks.instructions`: instructions of a small keep-alive GET in a worker's process, by callgrind.

Unlike times, they do not move with the machine or with what else it does: so a change of a hundredth is seen. Those of
the kernel are not among them. Beside the sources: the compiled modules, where `make test-compiled` has built them.
"""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import uvloop

from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.process.tally import Tally
from proxy.process.worker import Worker

ROOT: Final = Path(__file__).parents[1]
COMPILED: Final = ROOT / ".cache" / "compiled" / "tree"
REQUEST: Final = (
    b"GET /small/1?q=1 HTTP/1.1\r\nHost: bench.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nReferer: http://bench.example/page/1\r\n"
    b"Cookie: session=s1; theme=dark\r\nCache-Control: no-cache\r\n\r\n"
)
_BODY: Final = b"x" * 128
RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 26 Nov 2026 11:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 128\r\nLast-Modified: Thu, 26 Nov 2026 10:00:00 GMT\r\nConnection: keep-alive\r\n"
    b'ETag: "x"\r\nAccept-Ranges: bytes\r\n\r\n' + _BODY
)
_WARM: Final = 100
_COUNTED: Final = 500


def main() -> None:
    """Print a figure for each way to run."""
    if sys.argv[1:]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(int(sys.argv[1]), counting=sys.argv[2] == "counting"))
        return
    service = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(service,), daemon=True).start()
    ways = {"interpreted": ROOT, **({"compiled": COMPILED} if COMPILED.exists() else {})}
    for name, tree in ways.items():
        for counting in ("counting", "without counters"):
            few, many = (_instructions(tree, service.getsockname()[1], counting, n) for n in (_WARM, _WARM + _COUNTED))
            print(f"{name}, {counting}: {(many - few) // _COUNTED:,} instructions", flush=True)


async def _work(upstream_port: int, *, counting: bool) -> None:
    """Be a worker until standard input ends."""
    config = Config(
        listen=["127.0.0.1:0"],
        access_log="off",
        upstreams={"default": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream_port}"])},
        routes={"default": RouteConfig(upstream="default")},
    )
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    tally = Tally()
    tally.prepare(config, [0])
    worker = Worker(config, [listening], "instructions", counts=tally.seat(0) if counting else None)
    await worker.start()
    worker.deadlines.stop()  # its sweeps are so many per second, not per request
    print(listening.getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


def _serve(service: socket.socket) -> None:
    while True:
        connection, _ = service.accept()
        while connection.recv(65_536):
            connection.sendall(RESPONSE)


def _instructions(tree: Path, upstream_port: int, counting: str, requests: int) -> int:
    """Those of a whole process that carries so many requests."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, "-P"]
        process = subprocess.Popen(
            [*command, str(Path(__file__).resolve()), str(upstream_port), counting],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        assert process.stdout is not None
        with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as client:
            for _ in range(requests):
                client.sendall(REQUEST)
                answer = b""
                while not answer.endswith(_BODY):
                    answer += client.recv(65_536)
        _, said = process.communicate()
    found = re.search(r"Collected : (\d+)", said)
    assert found is not None, said
    return int(found[1])


if __name__ == "__main__":
    main()
