"""`python -m benchmarks.load.clients KIND PORT SECONDS SETTING...`: see the package."""

import asyncio
import resource
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop

from benchmarks.load.clients.bulk import download, upload
from benchmarks.load.clients.events import fan_out
from benchmarks.load.clients.idle import hold
from benchmarks.load.clients.script import Cue
from benchmarks.load.clients.steady import steady
from benchmarks.load.clients.websocket import echo
from benchmarks.load.samples import Load


def _load(kind: str, port: int, cue: Cue, settings: list[str]) -> Coroutine[Any, Any, Load]:
    match kind, settings:
        case "download", [path, length]:
            return download(port, cue, path, int(length))
        case "upload", [path, length]:
            return upload(port, cue, path, int(length))
        case "events", [listeners]:
            return fan_out(port, cue, int(listeners))
        case "idle", [connections]:
            return hold(port, cue, int(connections))
        case "websocket", []:
            return echo(port, cue)
        case _:
            raise SystemExit(f"no such load: {kind} {settings}")


async def _run(kind: str, port: int, cue: Cue, settings: list[str]) -> None:
    load = await _load(kind, port, cue, settings)
    await asyncio.to_thread(cue.say_result, load)


def main() -> None:
    """Load as the arguments say."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kind, port, cue, settings = sys.argv[1], int(sys.argv[2]), Cue(float(sys.argv[3])), sys.argv[4:]
    if kind == "steady":
        cue.say_result(steady(port, cue, float(settings[0])))
    else:
        uvloop.run(_run(kind, port, cue, settings))


if __name__ == "__main__":
    main()
