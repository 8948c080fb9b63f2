"""`make faults`, or `python -m benchmarks.faults`: see --help."""

import contextlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click

from benchmarks.faults.fleet import KINDS, PROGRAMS
from benchmarks.faults.measure import Outcome, measure
from benchmarks.faults.page import markdown
from benchmarks.faults.trio import FAULTS, Fault
from benchmarks.stress.names import NameServer, asking_us
from benchmarks.stress.row import NotRun

_WHOLE: Final = Path(__file__).parents[1] / "FAULTS.md"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--faults", "words", default="", help="Only those with one of these words in their name; comma-separated."
)
@click.option("--proxies", default=",".join(PROGRAMS), show_default=True)
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="Whose settings: see the page.")
@click.option("--rounds", default=3, show_default=True, help="Each fault so often; the table has the sums.")
@click.option("--output", type=click.Path(path_type=Path), default=_WHOLE, help="The table's file.")
def main(words: str, proxies: str, kinds: str, rounds: int, output: Path) -> None:
    """Let one of three origins fail behind onehop and its peers, and count the requests that fail."""
    wanted = [word for word in words.split(",") if word]
    chosen = [fault for fault in FAULTS if not wanted or any(word in fault.name for word in wanted)]
    installed = [name for name in PROGRAMS if name in proxies.split(",") and PROGRAMS[name].find() is not None]
    results: dict[str, dict[str, dict[str, list[Outcome]]]] = {}
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as serving:
        names: NameServer | None = None
        with contextlib.suppress(NotRun):
            asking_us(Path(place) / "tried")
            names = serving.enter_context(NameServer({}).serving())
        if names is None:
            chosen = [fault for fault in chosen if not fault.needs_names]
        try:
            for number in range(rounds):
                for kind in kinds.split(","):
                    for fault in chosen:
                        folder = Path(place) / f"{number}-{kind}-{FAULTS.index(fault)}"
                        rows = results.setdefault(kind, {}).setdefault(fault.name, {})
                        for name, outcome in _measured(installed, kind, fault, folder, names, number + 1).items():
                            rows.setdefault(name, []).append(outcome)
        finally:  # what was measured is worth having
            said = " ".join(["python -m benchmarks.faults", *sys.argv[1:]])
            output.write_text(markdown(results, installed, rounds, said))


def _measured(
    proxies: list[str], kind: str, fault: Fault, folder: Path, names: NameServer | None, seed: int
) -> dict[str, Outcome]:
    """All proxies at once: what else the machine does meanwhile, it does to all of them."""
    with ThreadPoolExecutor(len(proxies)) as together:
        measuring = {
            name: together.submit(measure, name, kind, fault, folder / name, names, seed=seed) for name in proxies
        }
    outcomes = {}
    for name, measured in measuring.items():
        try:
            outcome = outcomes[name] = measured.result()
        except (RuntimeError, OSError) as exc:
            click.echo(f"{kind:<5} {fault.name:<26} {name:<8} did not serve: {exc}")
        else:
            click.echo(f"{kind:<5} {fault.name:<26} {name:<8} {outcome.text}  {outcome.kinds}")
    return outcomes


if __name__ == "__main__":
    main()
