"""The long run of the oracle.

    python -m tests.fuzz --seconds 3600 --seed 1
    python -m tests.fuzz --case 1:client:4711

Hostile bytes from clients and upstreams, judged by a second strict reader. On a find the bytes are printed, with the
name of the case that makes them again, and the exit status is 1.
"""

import argparse
import sys
import time
from collections.abc import Iterator

from proxy.process.child_process import new_loop_runner
from tests.fuzz.cases import Case, client_case, named_cases, upstream_case
from tests.fuzz.laws import Find
from tests.fuzz.oracle import run_cases

_BATCH = 3_000
_PROGRESS_S = 10.0


def main() -> int:
    """Run until the time is over, or a law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="go on from this case: after a find that is mended")
    parser.add_argument("--lanes", type=int, default=16, help="cases side by side")
    parser.add_argument("--case", help="run the one case of this name, with both readers")
    arguments = parser.parse_args()
    try:
        if arguments.case:
            case = (client_case if ":client:" in arguments.case else upstream_case)(arguments.case)
            print(case)
            _run(iter([case, case]), lanes=2)
            print("no find")
        else:
            _run_for(arguments.seconds, arguments.seed, arguments.first, arguments.lanes)
    except Find as find:
        print(f"FIND\n{find}")
        return 1
    return 0


def _run_for(seconds: float, seed: int, first: int, lanes: int) -> None:
    started = told = time.monotonic()
    count = 0

    def progress() -> None:
        nonlocal told, count
        count += 1
        if (now := time.monotonic()) - told >= _PROGRESS_S:
            told = now
            print(f"seed {seed}: {count} cases, {count / (now - started):.0f}/s", flush=True)

    while time.monotonic() - started < seconds:
        _run(_until(started + seconds, named_cases(seed, first + count, _BATCH)), lanes=lanes, progress=progress)
    elapsed = time.monotonic() - started
    print(f"seed {seed}: {count} cases in {elapsed:.0f} s, {count / elapsed:.0f}/s, no find")


def _until(deadline: float, cases: Iterator[Case]) -> Iterator[Case]:
    for case in cases:
        if time.monotonic() >= deadline:
            return
        yield case


def _run(cases: Iterator[Case], **options: object) -> None:
    with new_loop_runner() as runner:
        runner.run(run_cases(cases, **options))  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
