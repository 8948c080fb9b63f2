"""What a client process and whoever started it say to each other, over standard input and output."""

import asyncio
import json
import sys

from benchmarks.load.samples import Load


class Cue:
    """The client's side."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def say_ready(self) -> None:
        """Say that all is set up, and return when told to load."""
        print("ready", flush=True)
        if not sys.stdin.readline():
            raise SystemExit(1)  # nobody waits for us any more

    async def ready(self) -> None:
        """The same, while connections stay served."""
        await asyncio.to_thread(self.say_ready)

    @staticmethod
    def say_result(load: Load) -> None:
        """Say what was counted, and return when nobody needs the connections any more."""
        print(json.dumps(load._asdict()), flush=True)
        sys.stdin.read()
