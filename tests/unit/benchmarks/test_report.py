"""What the page of results says of what onehop is to cost at most, and of instructions."""

from pathlib import Path

from benchmarks.load.report import Context, write
from benchmarks.load.run import Findings, Plan
from benchmarks.load.samples import Sample


def page(folder: Path, cpu_us: dict[str, float], instructions: dict[str, dict[str, float]]) -> str:
    results = {"HTTP/1.0 keep-alive": {name: [Sample(cost, 1000.0, 1.0, 0.0, 0)] for name, cost in cpu_us.items()}}
    context = Context("a command", "a machine", {}, [], Plan([], [], 1, 1.0, quick=False), instructions)
    write(Findings(results, [], None), context, folder)
    return (folder / "RESULTS.md").read_text()


def test_compiled_modules_are_what_has_to_keep_to_a_target(tmp_path: Path) -> None:
    text = page(tmp_path, {"onehop": 30.0, "onehop-compiled": 20.0, "nginx": 10.0}, {})
    assert "| HTTP/1.0 keep-alive | 2.2 × nginx | 3.00 × | 2.00 × | met |\n" in text


def test_where_nothing_is_compiled_the_sources_have_to(tmp_path: Path) -> None:
    text = page(tmp_path, {"onehop": 30.0, "nginx": 10.0}, {})
    assert "| HTTP/1.0 keep-alive | 2.2 × nginx | 3.00 × | – | **missed** |\n" in text


def test_instructions_stand_beside_those_of_nginx(tmp_path: Path) -> None:
    text = page(tmp_path, {"onehop": 1.0}, {"small GET": {"interpreted": 260_000.0, "nginx": 26_000.0}})
    assert "| small GET | 260 (10.0) | 26 |\n" in text
