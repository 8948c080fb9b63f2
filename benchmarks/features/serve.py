"""One worker after another, inside the process that is counted; told what to do by lines on standard input.

`serve FILE` answers with the port of the first listener, `mark` ends a stretch of counting, `stop` ends the worker.
"""

import asyncio
import os
import sys
from pathlib import Path

from proxy.config.build import counted_names, listen_addresses
from proxy.config.sources import load
from proxy.exchange.buckets import Buckets
from proxy.process.child_process import new_loop_runner
from proxy.process.link import Link, pair
from proxy.process.listeners import Listeners
from proxy.process.worker import Worker
from proxy.telemetry.counters import Ledger


async def _obey() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().split():
        assert line[0] == "serve", line
        await _serve(Path(line[1]), lines)


async def _serve(file: Path, lines: asyncio.StreamReader) -> None:
    config = load(file, {}).valid()
    sockets = Listeners().bind(listen_addresses(config), 1)[0]
    ledger = Ledger()
    ledger.extend(counted_names(config))
    link, other_end = None, None
    if config.admin.inspector:
        link = Link(asyncio.get_running_loop())
        end, other_end = pair()  # nobody reads there: what is reported beyond a socket's queue is lost
        link.connect(end)
    worker = Worker(config, sockets, "onehop-bench", buckets=Buckets(), counts=ledger.seat(0), link=link)
    worker.deadlines.interval_s = 3600.0  # no sweeps: how many fall on a request is a matter of the machine
    await worker.start()
    _say(str(sockets[0].getsockname()[1]))
    while (await lines.readline()).strip() == b"mark":
        os.getppid()  # which callgrind is told to dump its counts at; nobody else calls it
        _say("marked")
    worker.shut_down()
    await worker.run_until_shut_down()
    if link is not None and other_end is not None:
        link.close()
        other_end.close()
    _say("stopped")


def _say(text: str) -> None:
    os.write(2, f"@{text}\n".encode())


if __name__ == "__main__":
    with new_loop_runner() as runner:
        runner.run(_obey())
