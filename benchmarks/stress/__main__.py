"""`make stress`, or `python -m benchmarks.stress`: see --help."""

import sys
import tempfile
import traceback
from pathlib import Path
from typing import Final

import click

from benchmarks.stress.fleet import NAMES, installed
from benchmarks.stress.origins import Origins
from benchmarks.stress.report import hostile_markdown, markdown
from benchmarks.stress.row import Figure, NotRun, Row, Setting, not_run
from benchmarks.stress.rows import ROWS
from tests.harness.programs.process import free_port

_WHOLE: Final = Path(__file__).parents[1]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", default="", help="Only those with one of these words in their name; comma-separated.")
@click.option("--proxies", default=",".join(NAMES), show_default=True)
@click.option("--quick", is_flag=True, help="Shorter and smaller: figures are rough.")
@click.option("--output", type=click.Path(path_type=Path), help="The table's file.  [default: benchmarks/STRESS.md]")
def main(rows: str, proxies: str, quick: bool, output: Path | None) -> None:
    """Break onehop, nginx and HAProxy in the same ways, and count what it costs their clients."""
    words = [word.strip() for word in rows.split(",") if word.strip()]
    chosen = [row for row in ROWS if not words or any(word in row.name for word in words)]
    names = [name for name in NAMES if name in proxies.split(",") and installed(name) is not None]
    is_whole = not (words or quick or len(names) < len(NAMES))
    page = output or (_WHOLE / "STRESS.md" if is_whole else None)
    said = " ".join(["python -m benchmarks.stress", *sys.argv[1:]])
    results: dict[str, dict[str, Figure]] = {}
    with tempfile.TemporaryDirectory() as folder, Origins([free_port()]) as origins:
        for number, row in enumerate(chosen):
            for name in names:
                place = Path(folder) / f"{number}-{name}"
                figure = _measured(row, Setting(name, place, origins.addresses, quick))
                results.setdefault(row.name, {})[name] = figure
                click.echo(f"{row.name:<45} {name:<8} {figure.text}")
            if page is not None:  # each time: a run that is ended early has shown what it has measured
                page.write_text(markdown(results, chosen, names, said))
            if page is not None and is_whole:
                page.with_name("HOSTILE.md").write_text(hostile_markdown(results, chosen, said))


def _measured(row: Row, setting: Setting) -> Figure:
    try:
        return row.measure(setting)
    except NotRun as exc:
        return not_run(str(exc))
    except RuntimeError as exc:  # it does not listen
        return Figure(float("inf") if row.fewer else 0.0, f"did not start ({str(exc)[-60:]})")
    except Exception as exc:  # a defect of this row is no reason to lose all others' figures
        traceback.print_exc()
        return not_run(f"the row failed: {type(exc).__name__}")


if __name__ == "__main__":
    main()
