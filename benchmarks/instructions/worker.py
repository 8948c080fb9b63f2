"""A worker inside the process that is counted; told what to do by lines on standard input.

`python -m benchmarks.instructions.worker UPSTREAM_PORT READER [uncounted]` says its port, and then a line whenever it
has ended a stretch of counting, for each that it reads.
"""

import asyncio
import os
import socket
import sys

import uvloop

from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.process.tally import Tally
from proxy.process.worker import Worker


async def _work(upstream_port: str, reader: str, *, counted: bool) -> None:
    config = Config(
        listen=["127.0.0.1:0"],
        access_log="off",
        reader="h11" if reader == "h11" else "auto",
        upstreams={"default": UpstreamConfig(urls=[f"http://127.0.0.1:{upstream_port}"])},
        routes={"default": RouteConfig(upstream="default")},
    )
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    tally = Tally()
    tally.prepare(config, [0])
    worker = Worker(config, [listening], "instructions", counts=tally.seat(0) if counted else None)
    await worker.start()
    worker.deadlines.stop()  # its sweeps are so many per second, not per request
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print(listening.getsockname()[1], flush=True)
    while await lines.readline():
        os.getppid()  # which callgrind is told to dump its counts at; nobody else calls it
        os.write(1, b"marked\n")
    os._exit(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(sys.argv[1], sys.argv[2], counted=sys.argv[3:] != ["uncounted"]))
