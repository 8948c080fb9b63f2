"""`python -m benchmarks.instructions`: instructions of a request in a worker's process, by callgrind.

Unlike times, they do not move with the machine or with what else it does: so a change of a hundredth is seen. Those of
the kernel are not among them. Beside the sources: the compiled modules, where `make test-compiled` has built them.
"""

import argparse
import shutil

from benchmarks.instructions.cases import CASES
from benchmarks.instructions.count import count, ways


def main() -> None:
    """Print a table: a row for each kind of request, a column for each way to run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="of each kind that count (default: 300)")
    parser.add_argument("--cases", default="small GET", help='those whose names contain one of these words, or "all"')
    parser.add_argument("--ways", default="", help="only ways to run whose names contain one of these words")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.error("needs valgrind: apt-get install valgrind")
    words = options.cases.split(",")
    cases = [case for case in CASES if options.cases == "all" or any(word in case.name for word in words)]
    chosen = [way for way in ways() if any(word in way.name for word in options.ways.split(","))]
    for way in chosen:
        for name, instructions in count(way, cases, options.requests):
            print(f"{name}, {way.name}: {instructions:,.0f} instructions", flush=True)


if __name__ == "__main__":
    main()
