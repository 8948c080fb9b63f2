"""Run the conformance cases over live proxies: `python -m tests.conformance --help`."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conformance.cases import CASES
from tests.conformance.lanes import PATIENCE_S, Result, run_cases
from tests.conformance.matrix import page
from tests.conformance.peers import PROXIES, Proxy, running
from tests.conformance.steps import Case, Level

_MATRIX = Path(__file__).with_name("MATRIX.md")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--proxies", help="names, separated by commas; default: all that are installed")
    parser.add_argument("--cases", default="", help="only cases whose id contains this")
    parser.add_argument("--level", choices=["must", "should", "good"], help="only cases of this level")
    parser.add_argument("--lanes", type=int, default=4, help="instances of a proxy that run at once (default: 4)")
    parser.add_argument("--why", action="store_true", help="say what was seen where a case fails")
    parser.add_argument("--at", type=int, metavar="PORT", help="check a proxy that already runs on 127.0.0.1:PORT")
    parser.add_argument("--upstream-port", type=int, default=0, metavar="PORT", help="with --at: where its upstream is")
    parser.add_argument("--write", action="store_true", help=f"write {_MATRIX.name}; the default for a whole run")
    return parser.parse_args()


async def _run_proxy(proxy: Proxy, program: str, cases: Sequence[Case], lanes: int) -> dict[str, Result]:
    return await run_cases(
        [case for case in cases if case.setting in proxy.settings],
        lambda upstream, setting: running(proxy, program, upstream, setting),
        promised=proxy.name == "onehop",
        lanes=lanes,
    )


async def _run_running(cases: Sequence[Case], port: int, upstream_port: int) -> dict[str, Result]:
    @asynccontextmanager
    async def already(_: int, __: str) -> AsyncIterator[int]:
        yield port

    plain = [case for case in cases if case.setting == "plain"]
    return await run_cases(plain, already, promised=False, patience_s=PATIENCE_S, upstream_port=upstream_port)


def _tell(name: str, results: dict[str, Result], *, why: bool) -> None:
    failed = [result for result in results.values() if result.faults]
    counts = ", ".join(
        f"{level.value} {sum(not r.faults for r in of)}/{len(of)}"
        for level in Level
        if (of := [result for result in results.values() if result.case.level is level])
    )
    print(f"{name}: {len(results) - len(failed)} of {len(results)} cases ({counts})", flush=True)
    for result in failed if why else ():
        print(f"  {result.case.id} [{result.case.level.value}] {result.case.title}: {'; '.join(result.faults)[:400]}")


async def _main() -> int:
    options = _options()
    cases = [
        case
        for case in CASES
        if options.cases in case.id and (not options.level or case.level is Level[options.level.upper()])
    ]
    if options.at is not None:
        results = await _run_running(cases, options.at, options.upstream_port)
        _tell(f"127.0.0.1:{options.at}", results, why=True)
        return int(any(result.faults and result.case.level is Level.MUST for result in results.values()))
    wanted = {name.strip().lower() for name in options.proxies.split(",")} if options.proxies else None
    by_proxy: dict[str, dict[str, Result]] = {}
    versions: dict[str, str] = {}
    missing: list[str] = []
    for proxy in PROXIES:
        if wanted is not None and proxy.name.lower() not in wanted:
            continue
        program = proxy.program.find()
        if program is None:
            missing.append(f"{proxy.name} (`{proxy.program.install}`)")
            print(f"{proxy.name} is not installed: {proxy.program.install}")
            continue
        versions[proxy.name] = proxy.version()
        by_proxy[proxy.name] = await _run_proxy(proxy, program, cases, options.lanes)
        _tell(proxy.name, by_proxy[proxy.name], why=options.why)
    if options.write or (wanted is None and len(cases) == len(CASES)):
        _MATRIX.write_text(page(cases, by_proxy, versions, missing))
        print(f"written: {_MATRIX.name}")
    return int(any(result.faults for result in by_proxy.get("onehop", {}).values()))


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
